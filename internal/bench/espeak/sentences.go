package espeak

import (
	_ "embed"
	"strings"
)

//go:embed sentences.txt
var sentences string

// Sentences returns more than 200 English sentences of everyday words, written for this purpose.
func Sentences() []string { return strings.Split(strings.TrimSpace(sentences), "\n") }
