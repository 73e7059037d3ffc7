package scout_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitectureNamesEveryPackage compares the table of layers in docs/ARCHITECTURE.md with the source tree.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, layers, found := strings.Cut(string(document), "\n## Layers\n")
	layers, _, ended := strings.Cut(layers, "\n## ")
	if !found || !ended {
		t.Fatal("the document has no section \"Layers\"")
	}
	var named []string
	for _, line := range strings.Split(layers, "\n") {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) > 2:
			line = cells[2]
		case !strings.HasPrefix(line, "For tests only:"):
			continue
		}
		for _, name := range regexp.MustCompile("`([a-z0-9/-]+)`").FindAllStringSubmatch(line, -1) {
			named = append(named, name[1])
		}
	}
	var present []string
	for path := range packages(t) {
		if path != module {
			present = append(present, strings.TrimPrefix(strings.TrimPrefix(path, module+"/"), "internal/"))
		}
	}
	for _, name := range present {
		if !slices.Contains(named, name) {
			t.Errorf("package %s is missing", name)
		}
	}
	for i, name := range named {
		if name != "internal" && name != "scout" && !slices.Contains(present, name) {
			t.Errorf("package %s does not exist", name)
		}
		if slices.Contains(named[:i], name) {
			t.Errorf("package %s is named twice", name)
		}
	}
}

// TestDecisionsAreListed compares docs/adr/README.md with the decisions: each has a unique number and is listed with
// its title.
func TestDecisionsAreListed(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("docs/adr/README.md")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("docs/adr/[0-9]*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("found %d decisions, %v", len(paths), err)
	}
	seen := make(map[string]string)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		number, _, _ := strings.Cut(name, "-")
		if other, taken := seen[number]; taken {
			t.Errorf("%s and %s have the same number", other, name)
		}
		seen[number] = name
		heading, _, _ := strings.Cut(string(text), "\n")
		title, ok := strings.CutPrefix(heading, "# "+number+": ")
		if row := "| [" + number + "](" + name + ") | " + title + " |"; !ok {
			t.Errorf("%s: the heading %q does not begin with %q", name, heading, "# "+number+": ")
		} else if !strings.Contains(string(index), row) {
			t.Errorf("docs/adr/README.md has no row %s", row)
		}
	}
}
