package page_test

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/page"
)

// The page that was built has no script or style in its document, which its policy forbids, and names only its own files.
func TestTheBuiltPageFitsItsPolicy(t *testing.T) {
	t.Parallel()
	files := page.Built()
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Skip("the page was not built: make build")
	}
	text := string(index)
	if inline := regexp.MustCompile(`<style|style=|\son[a-z]+=|<script[^>]*>[^<]`).FindString(text); inline != "" || strings.Contains(text, "://") || !strings.Contains(text, `<base href="/"`) {
		t.Errorf("%q in %s", inline, text)
	}
	named := regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(text, -1)
	if len(named) < 3 {
		t.Errorf("script, style and icon are not in it: %s", text)
	}
	for _, one := range named {
		if _, err := fs.Stat(files, one[1]); err != nil {
			t.Error(err)
		}
	}
}

// A browser loads less than 200 kB of scripts, all places together.
func TestThePageIsSmall(t *testing.T) {
	t.Parallel()
	const most = 200_000
	packed, err := fs.Glob(page.Built(), "assets/*.js.gz")
	if err != nil || len(packed) == 0 {
		t.Skip("the page was not built: make build")
	}
	var sum int64
	for _, name := range packed {
		info, err := fs.Stat(page.Built(), name)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
		t.Logf("%6d %s", info.Size(), path.Base(name))
	}
	if sum > most {
		t.Errorf("%d bytes of scripts with gzip, more than %d", sum, most)
	}
}
