package cli

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// HotWordsUsage is the help of the flag.
const HotWordsUsage = "words and phrases to prefer where the audio is nearly undecided: a list a,b,c, or a file with one on each line (@FILE where the name could be a word)"

// ReadHotWords returns the hot words that a flag names.
//
//	@FILE                       the lines of a file, without empty ones and those that begin with #
//	the name of a file          the same
//	what looks like a file      an error if there is no such file: see looksLikeFile
//	anything else               the words between commas
func ReadHotWords(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	path, isFile := strings.CutPrefix(value, "@")
	if !isFile {
		if _, err := os.Stat(value); err == nil || !errors.Is(err, fs.ErrNotExist) && looksLikeFile(value) {
			isFile = true
		} else if looksLikeFile(value) {
			return nil, Usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: there is no such file", value).
				WithHint("check the path; where it is a word write it with a comma: --hot-words %q", value+","))
		}
	}
	parts := strings.Split(value, ",")
	if isFile {
		var err error
		if parts, err = readLines(path); err != nil {
			return nil, err
		}
	}
	var words []string
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			words = append(words, part)
		}
	}
	if len(words) == 0 {
		return nil, Usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: no words in it", value).
			WithHint("write a list such as Merneptah,Zigbee or name a file with one word on each line"))
	}
	return words, nil
}

// looksLikeFile is true for a value that is meant as a file and not as a word: it has no comma and begins like a path,
// lies in a folder that exists, or ends like a list of words.
func looksLikeFile(value string) bool {
	if strings.Contains(value, ",") {
		return false
	}
	for _, beginning := range []string{"/", "./", "../", "~/"} {
		if strings.HasPrefix(value, beginning) {
			return true
		}
	}
	if folder := filepath.Dir(value); folder != "." {
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			return true
		}
	}
	return slices.Contains([]string{".txt", ".text", ".lst", ".list", ".csv", ".tsv", ".md", ".json", ".dic", ".words"}, strings.ToLower(filepath.Ext(value)))
}

// readLines returns the lines of a file of hot words, comments left out.
func readLines(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, hotWordsError(path, err)
	}
	defer file.Close() //nolint:errcheck // read only
	var out []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if !utf8.ValidString(line) || strings.ContainsRune(line, 0) {
			return nil, Usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: it is not a text file in UTF-8", path).WithHint("name a file with one word on each line"))
		}
		if !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, Usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: a line is too long to be a word", path).WithHint("name a file with one word on each line"))
	} else if err != nil {
		return nil, hotWordsError(path, err)
	}
	return out, nil
}

func hotWordsError(path string, err error) error {
	return Usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: cannot read it: %s", path, scout.Reason(err)).
		WithHint("name a file with one word on each line"))
}
