package enginetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Model puts a model into the folder of models dir, as a person does who copies its files one after the other: one of Whisper in the format of
// sherpa-onnx, whose files e, d and t hold a word each. It knows English where no languages are named.
func Model(t testing.TB, dir, id string, languages ...string) {
	t.Helper()
	if len(languages) == 0 {
		languages = []string{"en"}
	}
	manifest := fmt.Sprintf("id = %q\nname = \"Test\"\nfamily = \"whisper\"\nlanguages = [\"%s\"]\nlicence = \"MIT\"\n[files]\nencoder = \"e\"\ndecoder = \"d\"\ntokens = \"t\"\n",
		id, strings.Join(languages, "\", \""))
	folder := filepath.Join(dir, id)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range [][2]string{{"e", "encoder"}, {"d", "decoder"}, {"t", "tokens"}, {"model.toml", manifest}} {
		if err := os.WriteFile(filepath.Join(folder, file[0]), []byte(file[1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
