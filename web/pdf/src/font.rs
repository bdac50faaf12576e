//! The fonts of a document, and what can be said of a text with them.

use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::layout::Abs;
use typst::text::{Font, FontInstance, FontVariant, FontVariations};

/// Most of the text.
const SANS: &[u8] = include_bytes!("../../../assets/pdf/fonts/IBMPlexSans-Regular.ttf");
/// Headings.
const SANS_BOLD: &[u8] = include_bytes!("../../../assets/pdf/fonts/IBMPlexSans-SemiBold.ttf");
/// What is read letter by letter.
const MONO: &[u8] = include_bytes!("../../../assets/pdf/fonts/IBMPlexMono-Regular.ttf");

/// All of them.
pub(crate) static FONTS: LazyLock<[Font; 3]> = LazyLock::new(|| {
    [SANS, SANS_BOLD, MONO]
        .map(|bytes| Font::new(Bytes::new(bytes), 0).expect("the fonts are compiled in"))
});

/// The first one at a size, which its widths do not depend on.
static SANS_WIDTHS: LazyLock<FontInstance> = LazyLock::new(|| {
    FONTS[0].clone().instantiate(FontVariant::default(), Abs::pt(10.0), &FontVariations::default())
});

/// Tells whether the fonts have a picture of this character. The standards forbid to print one without.
pub(crate) fn has(char: char) -> bool {
    FONTS[..2].iter().all(|font| font.info().coverage.contains(char.into()))
}

/// Returns how wide a text is, in parts of its size.
pub(crate) fn width_em(text: &str) -> f64 {
    let font = &*SANS_WIDTHS;
    let width = |char| {
        let glyph = font.ttf().glyph_index(char)?;
        Some(font.x_advance(glyph.0)?.get())
    };
    text.chars().map(|char| width(char).unwrap_or(0.6)).sum()
}
