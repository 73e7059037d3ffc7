package trust_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/certificate"
	"github.com/scout-speech/scout/internal/certificate/trust"
	"github.com/scout-speech/scout/internal/observe"
)

// machine has these folders, and every program but those.
func machine(t *testing.T, folders []string, without ...string) trust.Machine {
	t.Helper()
	root := t.TempDir()
	for _, folder := range folders {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return trust.Machine{
		Root: root, Home: filepath.Join(root, "home"), Names: func(string) []string { return nil },
		Find: func(program string) (string, error) {
			for _, missing := range without {
				if program == missing {
					return "", errors.New("it is missing")
				}
			}
			return "/usr/bin/" + program, nil
		},
	}
}

// text is a plan for people, with the folders of the test left out.
func text(m trust.Machine, p trust.Plan) string {
	var lines []string
	for _, s := range p.Steps {
		lines = append(lines, s.String())
	}
	for _, left := range p.Left {
		lines = append(lines, "not "+left)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), m.Root, "")
}

func TestPlans(t *testing.T) {
	t.Parallel()
	label := trust.Label("/data")
	noBrowser := "\nnot browsers: no database of certificates of Chromium or Firefox was found; Firefox makes one when it first starts"
	for situation, c := range map[string]struct {
		folder, file, update string
	}{
		"Debian": {"/usr/local/share/ca-certificates", label + ".crt", "update-ca-certificates"},
		"Fedora": {"/etc/pki/ca-trust/source/anchors", label + ".pem", "update-ca-trust extract"},
		"Arch":   {"/etc/ca-certificates/trust-source/anchors", label + ".crt", "update-ca-trust"},
		"SUSE":   {"/usr/share/pki/trust/anchors", label + ".pem", "update-ca-certificates"},
	} {
		m := machine(t, []string{c.folder})
		want := "sudo install -m 644 /data/tls/ca.pem " + c.folder + "/" + c.file + "\nsudo " + c.update + noBrowser
		if got := text(m, m.Trust("/data/tls/ca.pem", "/data")); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", situation, got, want)
		}
		if got := text(m, m.Untrust("/data")); got != strings.TrimPrefix(noBrowser, "\n") {
			t.Errorf("%s, where nothing is to be taken back:\n%s", situation, got)
		}
		if err := os.WriteFile(filepath.Join(m.Root, c.folder, c.file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		m.Administrator = true
		if got := text(m, m.Untrust("/data")); !strings.HasPrefix(got, "rm "+c.folder+"/"+c.file+"\nupdate-ca-") {
			t.Errorf("%s, back:\n%s", situation, got)
		}
	}
	m := machine(t, []string{"home/.pki/nssdb"}, "certutil")
	if got := text(m, m.Trust("ca", "/data")); !strings.Contains(got, "not the system: ") || !strings.Contains(got, "not browsers: no database") {
		t.Errorf("a machine without anything:\n%s", got)
	}
	if err := os.WriteFile(filepath.Join(m.Home, ".pki", "nssdb", "cert9.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := text(m, m.Trust("ca", "/data")); !strings.Contains(got, "certutil is missing (Debian: libnss3-tools") {
		t.Errorf("without certutil:\n%s", got)
	}
}

// The commands do what they say: NSS trusts the CA, also a second one in the place of the first, and no longer.
func TestABrowserTrustsTheCA(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Skip("certutil is missing (Debian: libnss3-tools)")
	}
	home, data := t.TempDir(), t.TempDir()
	profile := filepath.Join(home, ".mozilla", "firefox", "a b.default")
	for _, dir := range []string{filepath.Join(home, ".pki", "nssdb"), profile} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "certutil", "-N", "--empty-password", "-d", "sql:"+dir).CombinedOutput(); err != nil { //nolint:gosec // of this test
			t.Fatalf("%v: %s", err, out)
		}
	}
	m := trust.ThisMachine()
	m.Home, m.Root = home, t.TempDir() // nothing of the system
	databases := []string{"sql:" + profile, "sql:" + filepath.Join(home, ".pki", "nssdb")}
	known := func() bool { // one CA, and no other of this folder
		for _, database := range databases {
			names := slices.DeleteFunc(m.Names(database), func(name string) bool { return !strings.HasPrefix(name, trust.Label(data)+"-") })
			if len(names) != 1 {
				return false
			}
		}
		return true
	}
	run := func(p trust.Plan, steps int) {
		t.Helper()
		var out bytes.Buffer
		done := 0
		if err := p.Run(t.Context(), nil, &out, func(trust.Step) { done++ }); err != nil || done != steps {
			t.Fatalf("%d of %d: %v: %s", done, steps, err, &out)
		}
	}
	for again := range 2 {
		dir := filepath.Join(t.TempDir(), "tls")
		if _, err := certificate.Open(certificate.Options{Own: true, Dir: dir, Wanted: certificate.NamesOf("localhost", "::1"), Scope: observe.Scope{}}); err != nil {
			t.Fatal(err)
		}
		run(m.Trust(certificate.CAFile(dir), data), 2+2*again)
		if !known() {
			t.Fatal("nobody knows the CA")
		}
	}
	if err := m.Trust(filepath.Join(home, "none.pem"), data).Run(t.Context(), nil, new(bytes.Buffer), func(trust.Step) {}); err == nil || !known() {
		t.Errorf("a CA that cannot be added: %v; the one of before is known: %v", err, known())
	}
	run(m.Untrust(data), 2)
	if known() {
		t.Error("the CA is still known")
	}
	if p := m.Untrust(data); len(p.Steps) != 0 {
		t.Errorf("a second time: %v", p.Steps)
	}
}

// A store that fails is left out from then on, and nobody else's is: two profiles of Firefox are two stores.
func TestAStepThatFails(t *testing.T) {
	t.Parallel()
	broken := trust.Plan{Steps: []trust.Step{
		{For: "Firefox", Store: "a", Command: []string{"false"}}, {For: "Firefox", Store: "a", Command: []string{"true"}}, {For: "Firefox", Store: "b", Command: []string{"true"}},
	}}
	var did []string
	err := broken.Run(t.Context(), nil, new(bytes.Buffer), func(s trust.Step) { did = append(did, s.Store) })
	if err == nil || !strings.HasPrefix(err.Error(), "1 of 3 steps failed, 1 were left out") || strings.Join(did, "") != "b" {
		t.Errorf("%v, done: %v", err, did)
	}
	home := t.TempDir()
	for _, profile := range []string{"one", "two"} {
		dir := filepath.Join(home, ".mozilla", "firefox", profile)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cert9.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := machine(t, nil)
	m.Home = home
	if p := m.Trust("ca", "/data"); len(p.Steps) != 2 || p.Steps[0].For != p.Steps[1].For || p.Steps[0].Store == p.Steps[1].Store {
		t.Errorf("%+v", p)
	}
}

func TestALinkToTheDataFolderIsTheSameFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if a, b := trust.Label(dir), trust.Label(link); a != b {
		t.Errorf("%s, through a link %s", a, b)
	}
}
