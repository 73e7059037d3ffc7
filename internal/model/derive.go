package model

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// Derivation is a way to make a file of a model from a published one.
type Derivation string

const (
	// DeriveTokenizerJSON makes tokens.txt from a tokenizer.json of Hugging Face's tokenizers.
	DeriveTokenizerJSON Derivation = "tokenizer.json"
	// DeriveLlamaTokenizerJS makes tokens.txt from llama-tokenizer.js, the single file of the npm
	// package llama-tokenizer-js, which holds the pieces as base64 text.
	DeriveLlamaTokenizerJS Derivation = "llama-tokenizer.js"
)

// maxDeriveBytes bounds the input of a derivation: the largest known is 3.8 MB.
const maxDeriveBytes = 32 << 20

const (
	// llamaPieces is the number of pieces in Llama's SentencePiece vocabulary.
	llamaPieces = 32000
	// moonshineSpecials follow them in every English Moonshine model: <<ST_0>> .. <<ST_767>>
	// (arXiv:2410.15608, section 3.1). Their text is never shown.
	moonshineSpecials = 768
)

// Tokens makes the token table of an English Moonshine model from the published file.
//
// The table has one line "base64(bytes) id" for each of the 32,768 tokens, in the order of ids. The bytes of the first
// 32,000 are Llama's pieces, with U+2581 (the mark of the beginning of a word) as a space and <0xNN> as that byte. The
// names of the 768 special tokens follow a rule, so every source gives the same bytes. Any other input gives
// scout.CodeModelSource.
func Tokens(from Derivation, input []byte) ([]byte, error) {
	var pieces []string
	var err error
	switch from {
	case DeriveTokenizerJSON:
		pieces, err = piecesOfTokenizerJSON(input)
	case DeriveLlamaTokenizerJS:
		pieces, err = piecesOfLlamaTokenizerJS(input)
	default:
		return nil, scout.Errorf(scout.CodeInvalidArgument, "no derivation is called %q", from)
	}
	if err != nil {
		return nil, err
	}
	return tokenTable(pieces), nil
}

// piecesOfTokenizerJSON reads {"model": {"vocab": {piece: id}}, "added_tokens": [{"id", "content"}]}.
func piecesOfTokenizerJSON(input []byte) ([]string, error) {
	var document struct {
		Model struct {
			Vocab map[string]int `json:"vocab"`
		} `json:"model"`
		AddedTokens []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	if err := json.Unmarshal(input, &document); err != nil {
		return nil, scout.Errorf(scout.CodeModelSource, "read tokenizer.json: %w", err)
	}
	pieces := make([]string, llamaPieces)
	known := make([]bool, llamaPieces)
	set := func(id int, piece string) error {
		switch {
		case id < 0:
			return scout.Errorf(scout.CodeModelSource, "read tokenizer.json: piece %q has the id %d", piece, id)
		case id >= llamaPieces:
			return nil // a special token, which is named by rule
		case known[id] && pieces[id] != piece:
			return scout.Errorf(scout.CodeModelSource, "read tokenizer.json: %q and %q both have the id %d", pieces[id], piece, id)
		}
		pieces[id], known[id] = piece, true
		return nil
	}
	for piece, id := range document.Model.Vocab {
		if err := set(id, piece); err != nil {
			return nil, err
		}
	}
	for _, added := range document.AddedTokens {
		if err := set(added.ID, added.Content); err != nil {
			return nil, err
		}
	}
	for id, ok := range known {
		if !ok {
			return nil, scout.Errorf(scout.CodeModelSource, "read tokenizer.json: no piece has the id %d: not the vocabulary of Llama", id)
		}
	}
	return pieces, nil
}

// piecesOfLlamaTokenizerJS reads the constant llama_vocab_base64: pieces in the order of ids, one per line.
func piecesOfLlamaTokenizerJS(input []byte) ([]string, error) {
	const before = `const llama_vocab_base64 = "`
	_, rest, found := bytes.Cut(input, []byte(before))
	encoded, _, closed := bytes.Cut(rest, []byte{'"'})
	if !found || !closed {
		return nil, scout.Errorf(scout.CodeModelSource, "read llama-tokenizer.js: no constant llama_vocab_base64")
	}
	decoded, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		return nil, scout.Errorf(scout.CodeModelSource, "read llama-tokenizer.js: vocabulary: %w", err)
	}
	pieces := strings.Split(string(decoded), "\n")
	if len(pieces) != llamaPieces {
		return nil, scout.Errorf(scout.CodeModelSource, "read llama-tokenizer.js: %d pieces, want %d", len(pieces), llamaPieces)
	}
	return pieces, nil
}

func tokenTable(pieces []string) []byte {
	var table bytes.Buffer
	table.Grow(moonshineTokensBytes)
	line := func(token []byte, id int) {
		table.WriteString(base64.StdEncoding.EncodeToString(token))
		table.WriteByte(' ')
		table.WriteString(strconv.Itoa(id))
		table.WriteByte('\n')
	}
	for id, piece := range pieces {
		line(pieceBytes(piece), id)
	}
	for i := range moonshineSpecials {
		line([]byte("<<ST_"+strconv.Itoa(i)+">>"), len(pieces)+i)
	}
	return table.Bytes()
}

// pieceBytes returns the text of a piece.
func pieceBytes(piece string) []byte {
	if hex, ok := strings.CutPrefix(piece, "<0x"); ok && len(hex) == 3 && hex[2] == '>' {
		if b, err := strconv.ParseUint(hex[:2], 16, 8); err == nil {
			return []byte{byte(b)}
		}
	}
	return []byte(strings.ReplaceAll(piece, "\u2581", " "))
}
