package model_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
)

func noScope() observe.Scope { return observe.Scope{} }

func ownWhisper(id string) string {
	return fmt.Sprintf(`id = %q
name = "My Whisper"
family = "whisper"
languages = ["de", "en"]
licence = "MIT"

[files]
encoder = "enc.onnx"
decoder = "dec.onnx"
tokens = "tokens.txt"
`, id)
}

func TestOwnModel(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	dir := t.TempDir()
	writeFiles(t, dir+"/mine", files)
	writeFiles(t, dir+"/mine", contents{"model.toml": []byte(ownWhisper("mine"))})
	store := open(t, dir, offline(files, true))
	m := wantInstalled(t, store, "mine", files)
	if !m.Own || m.Family != model.Whisper || m.SizeBytes != 425_000 || m.EnglishOnly() {
		t.Errorf("resolved %+v", m)
	}
	list, err := store.List()
	if err != nil || len(list) != 2 || !list[1].Own || !list[1].Installed || list[1].Name != "My Whisper" || list[1].Problem != "" {
		t.Errorf("list %+v, error %v", list, err)
	}
	if _, err := store.Use(t.Context(), "mine"); err != nil {
		t.Error(err)
	}
	wantCode(t, store.Remove(t.Context(), "mine", true), scout.CodeInvalidArgument)

	// Another file in its place is the owner's decision, unless the sum is stated.
	writeFiles(t, dir+"/mine", contents{"dec.onnx": []byte("a new one")})
	files["dec.onnx"] = []byte("a new one")
	wantInstalled(t, store, "mine", files)
	stated := ownWhisper("mine") + "[sha256]\ndecoder = \"" + strings.ToUpper(sum(files["dec.onnx"])) + "\"\n"
	writeFiles(t, dir+"/mine", contents{"model.toml": []byte(stated)})
	wantInstalled(t, store, "mine", files)
	writeFiles(t, dir+"/mine", contents{"dec.onnx": []byte("an ol one")})
	_, err = store.Resolve(t.Context(), "mine")
	wantCode(t, err, scout.CodeModelCorrupt)
	writeFiles(t, dir+"/mine", contents{"dec.onnx": nil})
	_, err = store.Resolve(t.Context(), "mine")
	wantCode(t, err, scout.CodeModelCorrupt)
	if !strings.Contains(scout.HintOf(err), "model.toml") || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("error %q, hint %q", err, scout.HintOf(err))
	}
}

func TestOwnModelThatCannotBe(t *testing.T) {
	t.Parallel()
	good := ownWhisper("mine")
	replace := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	tests := map[string]struct {
		toml string
		says string
	}{
		"not TOML":                {"id = ", "line 1"},
		"empty":                   {"", "id"},
		"unknown key":             {replace("licence", "license"), `"license"`},
		"bad id":                  {replace(`"mine"`, `"My Model"`), "model id"},
		"another id":              {replace(`"mine"`, `"yours"`), "folder's name"},
		"id of the catalogue":     {"", "catalogue"},
		"unknown family":          {replace(`"whisper"`, `"gpt"`), `family "gpt"`},
		"missing role":            {replace("decoder = \"dec.onnx\"\n", ""), "decoder"},
		"role too many":           {good + "joiner = \"x.onnx\"\n", `"joiner"`},
		"file outside":            {replace("enc.onnx", "../../../etc/passwd"), "leaves the folder"},
		"absolute file":           {replace("enc.onnx", "/etc/passwd"), "leaves the folder"},
		"the folder itself":       {replace("enc.onnx", "."), "leaves the folder"},
		"no language":             {replace(`["de", "en"]`, `[]`), "languages"},
		"language by name":        {replace(`["de", "en"]`, `["German"]`), "German"},
		"invalid checksum":        {good + "[sha256]\nencoder = \"abc\"\n", "SHA-256"},
		"sum of no file":          {good + "[sha256]\njoiner = \"" + strings.Repeat("0", 64) + "\"\n", "joiner"},
		"a list where text goes":  {replace(`"My Whisper"`, `["x"]`), "line 2"},
		"one file in two lines":   {good + "tokens = \"again.txt\"\n", "line"},
		"a folder for the tokens": {replace("tokens.txt", "sub/.."), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, id := t.TempDir(), "mine"
			if name == "id of the catalogue" {
				id, test.toml = "sample", ownWhisper("sample")
			}
			writeFiles(t, dir+"/"+id, sampleFiles())
			writeFiles(t, dir+"/"+id, contents{"model.toml": []byte(test.toml)})
			store := open(t, dir, offline(sampleFiles(), true))
			_, err := store.Resolve(t.Context(), id)
			if test.says == "" {
				wantCode(t, err, scout.CodeModelCorrupt)
				return
			}
			wantCode(t, err, scout.CodeConfigInvalid)
			if !strings.Contains(err.Error(), test.says) || scout.HintOf(err) == "" {
				t.Errorf("error %q, hint %q: want %q", err, scout.HintOf(err), test.says)
			}
			list, err := store.List()
			if err != nil {
				t.Fatal(err)
			}
			if last := list[len(list)-1]; !last.Own || last.Problem == "" {
				t.Errorf("listed as %+v, want yours with the problem named", last)
			}
		})
	}
}

func FuzzParseOwn(f *testing.F) {
	f.Add([]byte(ownWhisper("mine")))
	f.Add([]byte("id = 1\n[files]\nencoder = []"))
	f.Add([]byte("[sha256]\nencoder = \"00\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		own, err := model.ParseOwn(data)
		if err != nil {
			if scout.CodeOf(err) != scout.CodeConfigInvalid {
				t.Errorf("error %v has code %s", err, scout.CodeOf(err))
			}
			return
		}
		if len(own.Files) < 2 || own.ID == "" || len(own.Languages) == 0 {
			t.Errorf("accepted %+v", own)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"x","family":"sensevoice","files":[{"path":"m","role":"model","size":1,"sha256":"` + strings.Repeat("0", 64) + `"},{"path":"t","role":"tokens","size":1,"sha256":"` + strings.Repeat("a", 64) + `"}]}`))
	f.Add([]byte(`{"version":1,"id":"x","files":[null]}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = model.ParseManifest(data, "x") // it only has to end
		_ = model.ParseSums(data)          // it only has to end
	})
}
