//! Makes tiles again that a power failure took.

use std::path::Path;

use super::Stream;
use super::error::LedgerError;
use super::places::Places;
use super::tiles::TileFiles;
use super::tree::{FullTile, TILE_WIDTH, complete_root};
use super::walk::Walk;

/// How far back is looked: a million leaves, more than is written between two write-backs of the kernel.
const TILES_BACK: u64 = 4096;

/// Makes the full tiles of the last million leaves again where they are missing. The leaves before the
/// checkpoint are as signed; a tile is checked when it is read.
pub(super) fn mend(ledger: &Path, tiles: &TileFiles, size: u64) -> Result<(), LedgerError> {
    let width = TILE_WIDTH as u64;
    let full = size / width;
    let places = Stream::ALL.map(|stream| Places::new(ledger, stream));
    for index in (full.saturating_sub(TILES_BACK)..full).filter(|&index| !tiles.is_full(0, index)) {
        let (first, end) = (index * width, (index + 1) * width);
        let mut hashes = Vec::with_capacity(TILE_WIDTH);
        let [lines, own] = places.each_ref().map(|places| places.cursor(first, size));
        let mut walk = Walk::from_leaf([lines?, own?], first)?;
        while walk.next < end {
            let Some(cursor) = walk.turn()? else { return Err(walk.stuck()) };
            let (path, offset) = (cursor.path(), cursor.offset());
            let (header, content) = cursor.take().map_err(|fault| fault.at(path, offset))?;
            let missing = TILE_WIDTH - hashes.len();
            hashes.extend(
                content
                    .leaves(&header)
                    .into_iter()
                    .skip(first.saturating_sub(walk.next) as usize)
                    .take(missing),
            );
            walk.next = header.end();
        }
        tiles.write_full(&FullTile { level: 0, index, hashes })?;
    }
    let above = full / width;
    for index in
        (above.saturating_sub(TILES_BACK / width)..above).filter(|&index| !tiles.is_full(1, index))
    {
        let below =
            (index * width..(index + 1) * width).map(|tile| tiles.read(0, tile, TILE_WIDTH));
        // Where a tile below is missing too, readers hash the lines.
        if let Some(hashes) = below.map(|tile| tile.map(|tile| complete_root(&tile))).collect() {
            tiles.write_full(&FullTile { level: 1, index, hashes })?;
        }
    }
    Ok(())
}
