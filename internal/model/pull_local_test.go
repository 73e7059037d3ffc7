package model_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// offline is the sample entry with an address at which nothing can be had.
func offline(files contents, withSums bool) []model.Entry {
	return []model.Entry{entry("sample", "http://127.0.0.1:1", files, withSums)}
}

type member struct {
	name string
	data []byte
	link string
}

// writeArchive packs members as .tar.gz.
func writeArchive(t *testing.T, path string, members ...member) {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	packed := tar.NewWriter(zipped)
	for _, m := range members {
		header := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.data)), Typeflag: tar.TypeReg}
		if m.link != "" {
			header.Typeflag, header.Linkname = tar.TypeSymlink, m.link
		}
		if err := packed.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := packed.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(packed.Close(), zipped.Close(), os.WriteFile(path, buffer.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestPullFromAFolder(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from := t.TempDir()
	writeFiles(t, from, files)
	store := open(t, t.TempDir(), offline(files, true))
	pull(t, store, "sample", model.PullOptions{From: from})
	wantInstalled(t, store, "sample", files)
}

func TestPullFromAMirror(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, contents{"deep/enc.onnx": files["enc.onnx"], "deep/dec.onnx": files["dec.onnx"], "deep/tokens.txt": files["tokens.txt"]})
	for name, from := range map[string]string{"plain": s.URL + "/deep", "slash and query": s.URL + "/deep/?token=secret"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, t.TempDir(), offline(files, true))
			pulled := pull(t, store, "sample", model.PullOptions{From: from})
			wantInstalled(t, store, "sample", files)
			data, err := os.ReadFile(filepath.Join(pulled.Dir, "model.json"))
			if err != nil || strings.Contains(string(data), "secret") {
				t.Errorf("the manifest keeps what is secret in an address, or cannot be read: %v", err)
			}
		})
	}
}

func TestPullFromAnArchive(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	good := []member{
		{name: "sample-2026/README.md", data: []byte("read me")},
		{name: "sample-2026/enc.onnx", data: files["enc.onnx"]},
		{name: "sample-2026/dec.onnx", data: files["dec.onnx"]},
		{name: "sample-2026/tokens.txt", data: files["tokens.txt"]},
	}
	tests := map[string]struct {
		members []member
		code    scout.Code
	}{
		"as publishers pack": {members: good},
		"names that lead outside": {members: []member{
			{name: "../../enc.onnx", data: files["enc.onnx"]},
			{name: "/etc/dec.onnx", data: files["dec.onnx"]},
			{name: "a/../../tokens.txt", data: files["tokens.txt"]},
			{name: "../../evil", data: []byte("x")},
		}},
		"links are passed over":        {append([]member{{name: "x/enc.onnx", link: "/etc/passwd"}}, good...), ""},
		"a file is missing":            {good[:3], scout.CodeModelSource},
		"a link alone is not the file": {append([]member{{name: "tokens.txt", link: "/etc/hostname"}}, good[:3]...), scout.CodeModelSource},
		"two files of one name":        {append(good[:4:4], member{name: "other/enc.onnx", data: files["enc.onnx"]}), scout.CodeModelSource},
		"a file that is far too long":  {append(good[:3:3], member{name: "tokens.txt", data: make([]byte, 1_000_000)}), scout.CodeModelSource},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			archive := filepath.Join(dir, "sample.tar.gz")
			writeArchive(t, archive, test.members...)
			store := open(t, filepath.Join(dir, "deep", "models"), offline(files, true))
			_, err := store.Pull(t.Context(), "sample", model.PullOptions{From: archive})
			wantCode(t, err, test.code)
			if test.code == "" {
				m := wantInstalled(t, store, "sample", files)
				wantOnly(t, m.Dir, "enc.onnx", "dec.onnx", "tokens.txt", "model.json", ".verified.json")
			}
			wantOnly(t, dir, "sample.tar.gz", "deep")
			wantOnly(t, filepath.Join(dir, "deep"), "models")
		})
	}
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		archive := filepath.Join(dir, "sample.tgz")
		writeArchive(t, archive, good...)
		if err := os.Truncate(archive, 200_000); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, filepath.Join(dir, "models"), offline(files, true)).Pull(t.Context(), "sample", model.PullOptions{From: archive})
		wantCode(t, err, scout.CodeModelSource)
	})
	t.Run("not an archive", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for _, name := range []string{"sample.tar.gz", "sample.tar.bz2"} {
			writeFiles(t, dir, contents{name: []byte("no archive at all")})
			_, err := open(t, filepath.Join(dir, "models"), offline(files, true)).Pull(t.Context(), "sample", model.PullOptions{From: filepath.Join(dir, name)})
			wantCode(t, err, scout.CodeModelSource)
		}
	})
}

func TestPullRefusesPlacesThatAreNone(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	dir := t.TempDir()
	writeFiles(t, dir, contents{"file": []byte("x"), "partly/enc.onnx": files["enc.onnx"]})
	for name, test := range map[string]struct {
		from string
		code scout.Code
	}{
		"no such folder":        {filepath.Join(dir, "none"), scout.CodeFileNotFound},
		"no such archive":       {filepath.Join(dir, "none.tar.gz"), scout.CodeFileNotFound},
		"a file":                {filepath.Join(dir, "file"), scout.CodeInvalidArgument},
		"a folder without them": {filepath.Join(dir, "partly"), scout.CodeModelSource},
		"half an address":       {"http://", scout.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, t.TempDir(), offline(files, true)).Pull(t.Context(), "sample", model.PullOptions{From: test.from})
			wantCode(t, err, test.code)
		})
	}
}

func TestPullOfWhatCannotBePulled(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	dir := t.TempDir()
	writeFiles(t, dir, contents{"mine/model.toml": []byte(ownWhisper("mine")), "sample/model.toml": []byte(ownWhisper("sample"))})
	store := open(t, dir, offline(files, true))
	_, err := store.Pull(t.Context(), "mine", model.PullOptions{})
	wantCode(t, err, scout.CodeInvalidArgument)
	_, err = store.Pull(t.Context(), "sample", model.PullOptions{}) // the folder of the user's own model stays
	wantCode(t, err, scout.CodeConfigInvalid)
	_, err = store.Pull(t.Context(), "smaple", model.PullOptions{})
	wantCode(t, err, scout.CodeModelUnknown)
	if !strings.Contains(scout.HintOf(err), "sample") {
		t.Errorf("hint %q does not name the near id", scout.HintOf(err))
	}
	_, err = store.Pull(t.Context(), "../evil", model.PullOptions{})
	wantCode(t, err, scout.CodeModelUnknown)
}

func TestPullLeavesTheOldVersionWhenItFails(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from, dir := t.TempDir(), t.TempDir()
	writeFiles(t, from, files)
	pull(t, open(t, dir, offline(files, true)), "sample", model.PullOptions{From: from})
	full := func(string, int64) (model.PartFile, error) { return &fullDisk{left: 200_000}, nil }
	refused := errors.New("the graph has no such node")
	tests := map[string]struct {
		options []model.Option
		prepare func(context.Context, model.Installed) error
		code    scout.Code
	}{
		"disk full while writing": {options: []model.Option{model.WithPartFiles(full)}, code: scout.CodeDiskFull},
		"disk full at close": {options: []model.Option{model.WithPartFiles(func(string, int64) (model.PartFile, error) {
			return &fullDisk{left: 1 << 30, closes: syscall.EDQUOT}, nil
		})}, code: scout.CodeDiskFull},
		"no permission": {options: []model.Option{model.WithPartFiles(func(string, int64) (model.PartFile, error) {
			return nil, &os.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
		})}, code: scout.CodeFilePermission},
		"preparation fails": {prepare: func(context.Context, model.Installed) error { return refused }, code: scout.CodeInternal},
	}
	for name, test := range tests { // one after another: they share the folder
		t.Run(name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join(dir, "sample.partial")); err != nil { // or the next pull continues from there
				t.Fatal(err)
			}
			store := open(t, dir, offline(files, true), test.options...)
			_, err := store.Pull(t.Context(), "sample", model.PullOptions{From: from, Force: true, Prepare: test.prepare})
			wantCode(t, err, test.code)
			wantInstalled(t, store, "sample", files)
		})
	}
	pull(t, open(t, dir, offline(files, true)), "sample", model.PullOptions{From: from, Force: true})
	wantOnly(t, dir, "sample", ".sample.lock")
}

// fullDisk takes that many bytes and is then full.
type fullDisk struct {
	left   int
	closes error
}

func (f *fullDisk) Write(p []byte) (int, error) {
	if len(p) > f.left {
		return 0, syscall.ENOSPC
	}
	f.left -= len(p)
	return len(p), nil
}
func (f *fullDisk) Sync() error  { return nil }
func (f *fullDisk) Close() error { return f.closes }

func TestPullPreparesBeforeTheModelTakesItsPlace(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from := t.TempDir()
	writeFiles(t, from, files)
	store := open(t, t.TempDir(), offline(files, true))
	pulled := pull(t, store, "sample", model.PullOptions{From: from, Prepare: func(_ context.Context, staged model.Installed) error {
		if _, err := store.Resolve(context.Background(), "sample"); scout.CodeOf(err) != scout.CodeModelNotInstalled {
			t.Errorf("the model is in place before it is prepared: %v", err)
		}
		data, err := os.ReadFile(staged.Files[model.RoleEncoder])
		if err != nil || !bytes.Equal(data, files["enc.onnx"]) {
			t.Errorf("the staged encoder is not the published one: %v", err)
		}
		writeFiles(t, staged.Dir, contents{"prepared/encoder.onnx": []byte("rewritten")})
		return nil
	}})
	if _, err := os.Stat(filepath.Join(pulled.Dir, "prepared", "encoder.onnx")); err != nil {
		t.Error(err)
	}
	// A new version brings nothing of the old one's preparation.
	pull(t, store, "sample", model.PullOptions{From: from, Force: true})
	if _, err := os.Stat(filepath.Join(pulled.Dir, "prepared")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was prepared from the old version is still there: %v", err)
	}
}

func TestPullRepairsOnlyWhatIsDamaged(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	store := open(t, t.TempDir(), []model.Entry{entry("sample", s.URL, files, true)})
	m := pull(t, store, "sample", model.PullOptions{})
	if err := os.Truncate(m.Files[model.RoleDecoder], 10); err != nil {
		t.Fatal(err)
	}
	if pull(t, store, "sample", model.PullOptions{}).Already {
		t.Error("a damaged model counts as intact")
	}
	wantInstalled(t, store, "sample", files)
	if enc, dec := len(s.requestsOf("enc.onnx")), len(s.requestsOf("dec.onnx")); enc != 1 || dec != 2 {
		t.Errorf("fetched the intact file %d times and the damaged one %d times, want 1 and 2", enc, dec)
	}
}

func TestTwoPullsOfOneModel(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from, dir := t.TempDir(), t.TempDir()
	writeFiles(t, from, files)
	inside := false
	pull(t, open(t, dir, offline(files, true)), "sample", model.PullOptions{From: from, Prepare: func(context.Context, model.Installed) error {
		inside = true
		second := open(t, dir, offline(files, true))
		_, err := second.Pull(context.Background(), "sample", model.PullOptions{From: from})
		wantCode(t, err, scout.CodeModelDownload)
		wantCode(t, second.Remove(context.Background(), "sample", true), scout.CodeModelDownload)
		return nil
	}})
	if !inside {
		t.Error("the second pull was never tried")
	}
}

func TestPullIsCounted(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from, dir := t.TempDir(), t.TempDir()
	writeFiles(t, from, files)
	registry := prom.NewRegistry()
	store, err := model.Open(dir, observe.NewScope(nil, registry, nil), model.WithCatalogue(offline(files, true)))
	if err != nil {
		t.Fatal(err)
	}
	pull(t, store, "sample", model.PullOptions{From: from})
	pull(t, store, "sample", model.PullOptions{From: from})
	if _, err := store.Pull(t.Context(), "sample", model.PullOptions{From: dir + "/none", Force: true}); err == nil {
		t.Fatal("pulled from nowhere")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Pull(cancelled, "sample", model.PullOptions{From: from, Force: true}); scout.ClassOf(err) != scout.Cancelled {
		t.Fatalf("a cancelled pull gives %v", err)
	}
	want := `# HELP scout_model_pull_bytes_total Bytes of model files that were downloaded or copied.
# TYPE scout_model_pull_bytes_total counter
scout_model_pull_bytes_total 425000
# HELP scout_model_pulls_total Models that were pulled or added, by outcome.
# TYPE scout_model_pulls_total counter
scout_model_pulls_total{outcome="already_installed"} 1
scout_model_pulls_total{outcome="cancelled"} 1
scout_model_pulls_total{outcome="failed"} 1
scout_model_pulls_total{outcome="installed"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "scout_model_pull_bytes_total", "scout_model_pulls_total"); err != nil {
		t.Error(err)
	}
}
