package main

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/transcribe"
)

func TestWhatProgressiveCannotDo(t *testing.T) {
	t.Parallel()
	file := []transcribe.Input{{Path: "a.wav"}}
	for situation, c := range map[string]struct {
		options transcribeOptions
		server  string
		inputs  []transcribe.Input
		want    string // part of the message; empty for none
	}{
		"a file":             {transcribeOptions{progressive: true}, "", file, ""},
		"not asked for":      {transcribeOptions{fast: true, translate: true}, "http://a", []transcribe.Input{{Label: "-"}}, ""},
		"another machine":    {transcribeOptions{progressive: true}, "http://a", file, "--server"},
		"the fast model":     {transcribeOptions{progressive: true, fast: true}, "", file, "--fast"},
		"a translation":      {transcribeOptions{progressive: true, translate: true}, "", file, "--translate"},
		"standard input":     {transcribeOptions{progressive: true}, "", append([]transcribe.Input{{Label: "standard input"}}, file...), "only once"},
		"channels by itself": {transcribeOptions{progressive: true, soundOptions: soundOptions{split: true}}, "", file, "--split"},
	} {
		err := c.options.checkProgressive(c.server, c.inputs)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", situation, err)
		case c.want != "" && (scout.CodeOf(err) != scout.CodeInvalidArgument || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q in it", situation, err, c.want)
		}
	}
}
