// Judge verifies what a whoisgate log published and gave out, with none of its code: notes and
// trees as golang.org/x/mod has them, checkpoints and tiles as torchwood has them.
//
//	judge KEY receipt PROOF             a .tlog-proof whose extra data holds the entry
//	judge KEY consistent OLD NEW PROOF  two checkpoints, and hashes in base64, one a line
//	judge KEY entries URL               every entry of the log, through its tiles
//
// KEY, PROOF, OLD and NEW are files. Status 0 and a sentence: verified; status 1: not, and why.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	said, err := judge(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "not verified:", err)
		os.Exit(1)
	}
	fmt.Println("verified:", said)
}

func judge(args []string) (string, error) {
	if len(args) < 3 {
		return "", errors.New("expected a key, what to judge, and files")
	}
	key, err := os.ReadFile(args[0])
	if err != nil {
		return "", err
	}
	verifier, err := note.NewVerifier(strings.TrimSuffix(string(key), "\n"))
	if err != nil {
		return "", err
	}
	switch what, rest := args[1], args[2:]; {
	case what == "receipt" && len(rest) == 1:
		return receipt(verifier, rest[0])
	case what == "consistent" && len(rest) == 3:
		return consistent(verifier, rest[0], rest[1], rest[2])
	case what == "entries" && len(rest) == 1:
		return entries(verifier, rest[0])
	}
	return "", fmt.Errorf("unknown words: %q", args[1:])
}

func opened(verifier note.Verifier, text []byte) (tlog.Tree, error) {
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(signed.Text)
	if err == nil && checkpoint.Origin != verifier.Name() {
		err = fmt.Errorf("the checkpoint is of %q", checkpoint.Origin)
	}
	return checkpoint.Tree, err
}

func readTree(verifier note.Verifier, file string) (tlog.Tree, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	return opened(verifier, text)
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, hash)
	}
	return all, nil
}

// receipt reads c2sp.org/tlog-proof: a header, extra data, an index, hashes, and a checkpoint.
func receipt(verifier note.Verifier, file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	head, checkpoint, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return "", errors.New("not a tlog-proof with extra data")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return "", err
	}
	var held struct{ Leaf string }
	if err := json.Unmarshal(extra, &held); err != nil {
		return "", err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return "", err
	}
	proof, err := hashes(lines[3:])
	if err != nil {
		return "", err
	}
	tree, err := opened(verifier, []byte(checkpoint))
	if err != nil {
		return "", err
	}
	err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash([]byte(held.Leaf)))
	return fmt.Sprintf("entry %d of %d", index, tree.N), err
}

func consistent(verifier note.Verifier, older, newer, file string) (string, error) {
	old, err := readTree(verifier, older)
	if err != nil {
		return "", err
	}
	tree, err := readTree(verifier, newer)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	proof, err := hashes(strings.Fields(string(text)))
	if err != nil {
		return "", err
	}
	err = tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
	return fmt.Sprintf("%d entries begin with those %d", tree.N, old.N), err
}

func entries(verifier note.Verifier, url string) (string, error) {
	ctx := context.Background()
	fetcher, err := torchwood.NewTileFetcher(url)
	if err != nil {
		return "", err
	}
	text, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return "", err
	}
	tree, err := opened(verifier, text)
	if err != nil {
		return "", err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return "", err
	}
	// A first pass stops before an unfinished tile.
	for at := int64(0); at < tree.N; {
		for range client.Entries(ctx, tree, at) {
			at++
		}
		if err := client.Err(); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d entries", tree.N), nil
}
