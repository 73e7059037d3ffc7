package main

import (
	"strings"
	"testing"
)

// TestClosedStandardStreams: text that cannot be written is a failure with a message, even if the shell has closed the
// stream. A closed stream that is not used does no harm.
func TestClosedStandardStreams(t *testing.T) {
	t.Parallel()
	const noOutput = "cannot write to standard output: it is closed"
	for name, c := range map[string]struct {
		line string
		code int
		out  string // is in standard output
		says string // is in standard error
	}{
		"text":                    {"scout transcribe -q speech.wav >&-", 1, "", noOutput},
		"text as JSON":            {"scout transcribe -q -f json speech.wav >&-", 1, "", noOutput},
		"text to the descriptor":  {"scout transcribe -q -o /dev/stdout speech.wav >&-", 1, "", noOutput},
		"text to a file":          {"scout transcribe -q -o x.txt speech.wav >&- && cat x.txt", 0, "e", ""},
		"a list":                  {"scout models list >&-", 1, "", noOutput},
		"JSON":                    {"scout recordings list --json >&-", 1, "", noOutput},
		"help":                    {"scout help record >&-", 1, "", noOutput},
		"help by a flag":          {"scout --help >&-", 1, "", noOutput},
		"the version":             {"scout version >&-", 1, "", noOutput},
		"the version by a flag":   {"scout --version >&-", 1, "", noOutput},
		"completion":              {"scout completion bash >&-", 1, "", noOutput},
		"a full disk":             {"scout --version >/dev/full", 1, "", "cannot write to standard output: the disk is full"},
		"no standard error":       {"scout transcribe speech.wav 2>&-", 0, "e", ""},
		"no standard error, fail": {"scout transcribe missing.wav 2>&-", 1, "", ""},
		"no input":                {"scout transcribe -q - <&-", 1, "", "cannot read standard input: it is closed"},
		"no input is needed":      {"scout transcribe -q speech.wav <&-", 0, "e", ""},
		"all of them":             {"scout transcribe -q speech.wav <&- >&- 2>&-", 1, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.clip("speech.wav")
			got := p.sh(c.line)
			if got.code != c.code || !strings.Contains(got.out, c.out) || c.out == "" && got.out != "" || !strings.Contains(got.err, c.says) {
				t.Errorf("code %d, out %q, err %s", got.code, got.out, got.err)
			}
			if c.says != "" && strings.Count(got.err, "hint:") != 1 {
				t.Errorf("hints: %s", got.err)
			}
		})
	}
}
