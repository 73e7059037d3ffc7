package main

import (
	"bufio"
	"context"
	"os"
	"strings"

	"github.com/scout-speech/scout"
)

// hotWordsUsage is the help of the flag.
const hotWordsUsage = "words and phrases to prefer where the audio is nearly undecided: a file with one a line, or a list a,b,c"

// readHotWords returns the hot words that a flag names: the lines of a file of that name, without empty ones and such
// as begin with #, or else what stands between commas.
func readHotWords(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	parts := strings.Split(value, ",")
	if info, err := os.Stat(value); err == nil && !info.IsDir() {
		if parts, err = readLines(value); err != nil {
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
		return nil, usage(scout.Errorf(scout.CodeInvalidArgument, "--hot-words %s: no words in it", value))
	}
	return words, nil
}

func readLines(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read hot words", err)
	}
	defer file.Close() //nolint:errcheck // read only
	var out []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out, scout.FileError(scout.CodeReadFailed, "read hot words", lines.Err())
}

// checkHotWords refuses hot words that the model would not heed.
func (r *recognizer) checkHotWords(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return nil
	}
	facts, err := r.engine.Load(ctx)
	if err != nil {
		return err
	}
	if !facts.HotWords {
		return scout.Errorf(scout.CodeModelUnsupported, "model %s cannot prefer hot words with the backend %s", r.model.ID, r.backend).
			WithHint("the default model can: leave --model and --backend out, or --hot-words")
	}
	return nil
}
