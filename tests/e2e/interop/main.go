// SPDX-License-Identifier: Apache-2.0

// Checks a node's log with golang.org/x/mod/sumdb: notes, tiles, proofs. None
// of the code that made them has a part in it.
// usage: interop VERIFIER tiles DIR | proof FILE | growth FILE OLDCHECKPOINT
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // of a tile

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	check(err)
	return data
}

// checkpoint opens a signed note and reads the tree that it is of.
func checkpoint(verifier string, data []byte) tlog.Tree {
	v, err := note.NewVerifier(verifier)
	check(err)
	n, err := note.Open(data, note.VerifierList(v))
	check(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != v.Name() {
		check(fmt.Errorf("no checkpoint of %s: %q", v.Name(), n.Text))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return tlog.Tree{N: size, Hash: hash}
}

// tiles reads a directory of tlog-tiles, whose paths leave the height out.
type tiles string

func (t tiles) Height() int { return height }

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(t), path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// bundle takes the entries of a bundle apart.
func bundle(data []byte) [][]byte {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			check(fmt.Errorf("a bundle ends in an entry"))
		}
		n := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:n])
		data = data[n:]
	}
	return entries
}

// checkTiles makes the root out of the tiles, and each leaf out of its entry.
func checkTiles(verifier, dir string) {
	tree := checkpoint(verifier, read(filepath.Join(dir, "checkpoint")))
	reader := tlog.TileHashReader(tree, tiles(dir))
	hash, err := tlog.TreeHash(tree.N, reader)
	check(err)
	if hash != tree.Hash {
		check(fmt.Errorf("the tiles make %v, the checkpoint says %v", hash, tree.Hash))
	}
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: 0, N: first >> height, W: int(width)}
		path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
		entries := bundle(read(filepath.Join(dir, path)))
		if int64(len(entries)) != width {
			check(fmt.Errorf("%s: %d entries", path, len(entries)))
		}
		for i, entry := range entries {
			index := tlog.StoredHashIndex(0, first+int64(i))
			hashes, err := reader.ReadHashes([]int64{index})
			check(err)
			if hashes[0] != tlog.RecordHash(entry) {
				check(fmt.Errorf("entry %d is not its leaf", first+int64(i)))
			}
		}
	}
	fmt.Printf("tiles of %d entries\n", tree.N)
}

// hashes reads lines of base64 up to the empty one; what follows is a note.
func hashes(text []byte) ([]tlog.Hash, []byte) {
	var list []tlog.Hash
	for {
		line, rest, found := bytes.Cut(text, []byte("\n"))
		if !found {
			check(fmt.Errorf("no empty line"))
		}
		text = rest
		if len(line) == 0 {
			return list, text
		}
		hash, err := tlog.ParseHash(string(line))
		check(err)
		list = append(list, hash)
	}
}

// after takes a line of "word value" off the text.
func after(text []byte, word string) (string, []byte) {
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if !bytes.HasPrefix(line, []byte(word+" ")) {
		check(fmt.Errorf("%q is not %s", line, word))
	}
	return string(line[len(word)+1:]), rest
}

func checkProof(verifier, file string) {
	first, text, _ := bytes.Cut(read(file), []byte("\n"))
	if string(first) != "c2sp.org/tlog-proof@v1" {
		check(fmt.Errorf("%q is no proof", first))
	}
	extra, text := after(text, "extra")
	entry, err := base64.StdEncoding.DecodeString(extra)
	check(err)
	number, text := after(text, "index")
	index, err := strconv.ParseInt(number, 10, 64)
	check(err)
	path, signed := hashes(text)
	tree := checkpoint(verifier, signed)
	check(tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	fmt.Printf("entry %d of %d: %s\n", index, tree.N, entry)
}

func checkGrowth(verifier, file, oldFile string) {
	old := checkpoint(verifier, read(oldFile))
	number, text := after(read(file), "old")
	if number != fmt.Sprint(old.N) {
		check(fmt.Errorf("from %s, not from %d", number, old.N))
	}
	path, signed := hashes(text)
	tree := checkpoint(verifier, signed)
	check(tlog.CheckTree(path, tree.N, tree.Hash, old.N, old.Hash))
	fmt.Printf("from %d to %d\n", old.N, tree.N)
}

func main() {
	arguments := append(os.Args[1:], "", "", "", "")
	switch arguments[1] {
	case "tiles":
		checkTiles(arguments[0], arguments[2])
	case "proof":
		checkProof(arguments[0], arguments[2])
	case "growth":
		checkGrowth(arguments[0], arguments[2], arguments[3])
	default:
		check(fmt.Errorf("usage: VERIFIER tiles|proof|growth FILE..."))
	}
}
