package scout_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitectureNamesEveryPackage holds the table of layers in docs/ARCHITECTURE.md to the tree.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, layers, found := strings.Cut(string(document), "\n## Layers\n")
	layers, _, ended := strings.Cut(layers, "\n## ")
	if !found || !ended {
		t.Fatal("the document has no section Layers")
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
