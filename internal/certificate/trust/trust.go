// Package trust has programs of this machine trust Scout's own CA, and takes that back. It plans first: a plan is a list of commands, which a person
// reads before any of them runs.
package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// Machine is what a plan depends on.
type Machine struct {
	// Root is what precedes the paths of the system; empty but in tests.
	Root string
	// Home is the user's folder.
	Home string
	// Administrator is true where commands need no sudo.
	Administrator bool
	// Find returns the path of a program.
	Find func(program string) (string, error)
	// Names lists the names of the certificates in a database of NSS.
	Names func(database string) []string
}

// ThisMachine is the machine that this program runs on.
func ThisMachine() Machine {
	home, _ := os.UserHomeDir() // without one there are no browsers
	return Machine{Home: home, Administrator: os.Geteuid() == 0, Find: exec.LookPath, Names: inDatabase}
}

// inDatabase asks certutil. Names without a space are what comes before the first one in a line.
func inDatabase(database string) []string {
	list, err := exec.Command("certutil", "-L", "-d", database).Output() //nolint:gosec,noctx // it reads one file
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(list)) {
		if name, _, found := strings.Cut(line, " "); found {
			names = append(names, name)
		}
	}
	return names
}

// Step is one command of a plan.
type Step struct {
	// For is who trusts the CA by it.
	For string `json:"for"`
	// Command is what runs.
	Command []string `json:"command"`
	// Store is the file or database that it changes: the steps of one need each other.
	Store string `json:"store"`
}

// String is the command as it would be typed.
func (s Step) String() string {
	words := make([]string, len(s.Command))
	for i, word := range s.Command {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// quoted is a word for a shell.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(c rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@+", c)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Plan are the commands, and who is left out, with the reason.
type Plan struct {
	Steps []Step   `json:"steps"`
	Left  []string `json:"left"`
}

// system is where a distribution keeps the authorities that everybody trusts.
type system struct {
	folder string
	ending string
	update []string
}

// systems are those of the distributions; the first one that is there counts.
var systems = []system{
	{"/usr/local/share/ca-certificates", ".crt", []string{"update-ca-certificates"}},     // Debian, Ubuntu, Alpine
	{"/etc/pki/ca-trust/source/anchors", ".pem", []string{"update-ca-trust", "extract"}}, // Fedora, RHEL
	{"/etc/ca-certificates/trust-source/anchors", ".crt", []string{"update-ca-trust"}},   // Arch
	{"/usr/share/pki/trust/anchors", ".pem", []string{"update-ca-certificates"}},         // openSUSE
}

// Label names the CAs of a data folder in every store of certificates.
func Label(dataDir string) string {
	if followed, err := filepath.EvalSymlinks(dataDir); err == nil { // else by the name that it is called by
		dataDir = followed
	}
	sum := sha256.Sum256([]byte(filepath.Clean(dataDir)))
	return "scout-" + hex.EncodeToString(sum[:4])
}

// nameOf is the name of one CA of a data folder where several may be beside each other: a new one is added before the old one goes.
func nameOf(label, ca string) string {
	content, err := os.ReadFile(ca)
	if err != nil {
		return label + "-new" // what adds it will say why
	}
	sum := sha256.Sum256(content)
	return label + "-" + hex.EncodeToString(sum[:4])
}

// of are the names of the CAs of a data folder in a database, but for one.
func (m Machine) of(database, label, but string) []string {
	return slices.DeleteFunc(m.Names(database), func(name string) bool {
		return name == but || name != label && !strings.HasPrefix(name, label+"-")
	})
}

// removal takes certificates out of a database.
func removal(browser, database string, names []string) []Step {
	var steps []Step
	for _, name := range names {
		steps = append(steps, Step{browser, []string{"certutil", "-D", "-d", database, "-n", name}, database})
	}
	return steps
}

// Trust plans what has this machine trust a CA.
//
//	ca       its file
//	dataDir  the data folder that it belongs to
func (m Machine) Trust(ca, dataDir string) Plan {
	return m.plan(func(s system) []Step {
		target := filepath.Join(s.folder, Label(dataDir)+s.ending)
		return []Step{{everybody, m.as(append([]string{"install", "-m", "644", ca}, target)...), s.folder}, {everybody, m.as(s.update...), s.folder}}
	}, func(browser, database string) []Step {
		label := Label(dataDir)
		name := nameOf(label, ca)
		add := Step{browser, []string{"certutil", "-A", "-d", database, "-n", name, "-t", "C,,", "-i", ca}, database}
		return append([]Step{add}, removal(browser, database, m.of(database, label, name))...) // where adding fails, the old one stays
	})
}

// Untrust plans what takes that back. A store without the CA is left out.
func (m Machine) Untrust(dataDir string) Plan {
	return m.plan(func(s system) []Step {
		target := filepath.Join(s.folder, Label(dataDir)+s.ending)
		if _, err := os.Stat(m.Root + target); err != nil {
			return nil
		}
		update := s.update
		if update[0] == "update-ca-certificates" {
			update = append(slices.Clone(update), "--fresh") // else the link to the file that is gone may stay
		}
		return []Step{{everybody, m.as("rm", target), s.folder}, {everybody, m.as(update...), s.folder}}
	}, func(browser, database string) []Step {
		return removal(browser, database, m.of(database, Label(dataDir), ""))
	})
}

// everybody is whom the system's store is for.
const everybody = "all programs of this machine that use the system's authorities (curl, Go, Python's ssl)"

// as is a command of the administrator.
func (m Machine) as(command ...string) []string {
	if m.Administrator {
		return command
	}
	return append([]string{"sudo"}, command...)
}

func (m Machine) plan(forSystem func(system) []Step, forBrowser func(browser, database string) []Step) Plan {
	p := Plan{Steps: []Step{}, Left: []string{}}
	switch s, err := m.system(); {
	case err != nil:
		p.Left = append(p.Left, "the system: "+scout.Plain(err))
	default:
		p.Steps = append(p.Steps, forSystem(s)...)
	}
	databases := m.databases()
	if len(databases) == 0 {
		p.Left = append(p.Left, "browsers: no database of certificates of Chromium or Firefox was found; Firefox makes one when it first starts")
		return p
	}
	if _, err := m.Find("certutil"); err != nil {
		p.Left = append(p.Left, "browsers: the program certutil is missing (Debian: libnss3-tools, Fedora: nss-tools)")
		return p
	}
	for _, d := range databases {
		p.Steps = append(p.Steps, forBrowser(d.browser, d.path)...)
	}
	return p
}

// system finds where the distribution keeps the authorities.
func (m Machine) system() (system, error) {
	for _, s := range systems {
		if info, err := os.Stat(m.Root + s.folder); err != nil || !info.IsDir() {
			continue
		}
		if _, err := m.Find(s.update[0]); err == nil {
			return s, nil
		}
	}
	return system{}, errors.New("where it keeps authorities is not known here: add the CA as its manual says")
}

// database is one of NSS.
type database struct{ browser, path string }

// databases are those of the user's browsers.
func (m Machine) databases() []database {
	var found []database
	for _, where := range []struct{ browser, pattern string }{
		{"Chromium, Chrome", ".pki/nssdb"},
		{"Chromium (snap)", "snap/chromium/current/.pki/nssdb"},
		{"Firefox", ".mozilla/firefox/*"},
		{"Firefox", ".config/mozilla/firefox/*"},
		{"Firefox (snap)", "snap/firefox/common/.mozilla/firefox/*"},
		{"Firefox (flatpak)", ".var/app/org.mozilla.firefox/.mozilla/firefox/*"},
	} {
		folders, _ := filepath.Glob(filepath.Join(m.Home, where.pattern)) // the pattern is right
		for _, folder := range folders {
			if _, err := os.Stat(filepath.Join(folder, "cert9.db")); err == nil {
				found = append(found, database{where.browser, "sql:" + folder})
			}
		}
	}
	return found
}

// Run runs the steps, one after the other. One that fails does not keep the next ones from running, except those of the
// same store. The error counts both.
func (p Plan) Run(ctx context.Context, in io.Reader, out io.Writer, did func(Step)) error {
	var errs []error
	failed, skipped := map[string]bool{}, 0
	for _, s := range p.Steps {
		if failed[s.Store] {
			skipped++
			continue
		}
		command := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...) //nolint:gosec // the person has read it
		command.Stdin, command.Stdout, command.Stderr = in, out, out
		if err := command.Run(); err != nil {
			failed[s.Store] = true
			errs = append(errs, scout.Errorf(scout.CodeWriteFailed, "%s: %w", s, err))
			continue
		}
		did(s)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%d of %d steps failed, %d were left out for that: %w", len(errs), len(p.Steps), skipped, err)
	}
	return nil
}
