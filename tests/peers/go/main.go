// Command peer checks what keytrail wrote with the code that Go's checksum database is built on,
// golang.org/x/mod/sumdb. It knows the C2SP formats and nothing of keytrail.
//
//	peer key NAME SEED            key pair of a seed of 64 hex digits, and its signature of standard input
//	peer tiles LEDGER KEY OLD     checkpoint and tiles of a folder, and that they extend an older checkpoint
//	peer inclusion PROOF DATA KEY   a c2sp.org/tlog-proof@v1 of these leaf data
//	peer consistency PROOF OLD NEW KEY   lines of base64, from one checkpoint to another
//	peer cosigned NOTE KEY WITNESS   a checkpoint with a cosignature/v1 of a witness
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	commands := map[string]struct {
		arguments int
		run       func([]string) error
	}{
		"key":         {2, key},
		"tiles":       {3, tiles},
		"inclusion":   {3, inclusion},
		"consistency": {4, consistency},
		"cosigned":    {3, cosigned},
	}
	if len(os.Args) < 2 || len(os.Args)-2 != commands[os.Args[1]].arguments {
		fmt.Fprintln(os.Stderr, "peer: unknown command, or another number of arguments")
		os.Exit(2)
	}
	if err := commands[os.Args[1]].run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func key(arguments []string) error {
	seed, err := hex.DecodeString(arguments[1])
	if err != nil {
		return err
	}
	secret, public, err := note.GenerateKey(bytes.NewReader(seed), arguments[0])
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: string(text)}, signer)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n%s", secret, public, signed)
	return nil
}

// tiles reads every leaf hash through tiles that Go has authenticated, and proves each of them.
func tiles(arguments []string) error {
	ledger := arguments[0]
	head, err := checkpoint(filepath.Join(ledger, "checkpoint"), arguments[1])
	if err != nil {
		return err
	}
	old, err := checkpoint(arguments[2], arguments[1])
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(head, folder(ledger))
	root, err := tlog.TreeHash(head.N, hashes)
	if err != nil {
		return err
	}
	if root != head.Hash {
		return errors.New("the tiles do not make the root")
	}
	for leaf := int64(0); leaf < head.N; leaf++ {
		read, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, leaf)})
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(head.N, leaf, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, head.N, head.Hash, leaf, read[0]); err != nil {
			return fmt.Errorf("leaf %d: %w", leaf, err)
		}
	}
	proof, err := tlog.ProveTree(head.N, old.N, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, head.N, head.Hash, old.N, old.Hash); err != nil {
		return err
	}
	fmt.Println(head.N, "leaves")
	return nil
}

func inclusion(arguments []string) error {
	text, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	data, err := os.ReadFile(arguments[1])
	if err != nil {
		return err
	}
	proof, signed, found := strings.Cut(string(text), "\n\n")
	if !found {
		return errors.New("no checkpoint in the proof")
	}
	head, err := openCheckpoint([]byte(signed), arguments[2])
	if err != nil {
		return err
	}
	lines := strings.Split(proof, "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("no tlog-proof")
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	if !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index in the proof")
	}
	leaf, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(lines[1:])
	if err != nil {
		return err
	}
	return tlog.CheckRecord(hashes, head.N, head.Hash, leaf, tlog.RecordHash(data))
}

func consistency(arguments []string) error {
	text, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	old, err := checkpoint(arguments[1], arguments[3])
	if err != nil {
		return err
	}
	head, err := checkpoint(arguments[2], arguments[3])
	if err != nil {
		return err
	}
	hashes, err := parseHashes(strings.Fields(string(text)))
	if err != nil {
		return err
	}
	return tlog.CheckTree(hashes, head.N, head.Hash, old.N, old.Hash)
}

func cosigned(arguments []string) error {
	text, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	log, err := verifier(arguments[1])
	if err != nil {
		return err
	}
	file, err := os.ReadFile(arguments[2])
	if err != nil {
		return err
	}
	witness, err := newCosigner(strings.TrimSpace(string(file)))
	if err != nil {
		return err
	}
	opened, err := note.Open(text, note.VerifierList(log, witness))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 2 {
		return fmt.Errorf("%d signatures are good, not 2", len(opened.Sigs))
	}
	return nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func verifier(path string) (note.Verifier, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(strings.TrimSpace(string(text)))
}

func checkpoint(path, key string) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return openCheckpoint(text, key)
}

// openCheckpoint checks the signature and reads origin, size and root: c2sp.org/tlog-checkpoint.
func openCheckpoint(text []byte, key string) (tlog.Tree, error) {
	verifier, err := verifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("no checkpoint of this key's log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// folder reads tiles at the paths of c2sp.org/tlog-tiles, which are Go's without the height.
type folder string

func (folder) Height() int                     { return 8 }
func (folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tiles/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// cosigner verifies cosignature/v1 of c2sp.org/tlog-cosignature, which sumdb/note does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(text string) (*cosigner, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("no key of a witness")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("no key for cosignatures")
	}
	return &cosigner{parts[0], uint32(hash), key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}
