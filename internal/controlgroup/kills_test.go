//go:build linux

package controlgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKillsForWantOfMemory(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		content string
		want    uint64
		known   bool
	}{
		"version 2":            {"low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", 2, true},
		"version 1":            {"oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", 7, true},
		"an old kernel":        {"oom_kill_disable 0\nunder_oom 0\n", 0, false},
		"what is not a number": {"oom_kill many\n", 0, false},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, known := killsIn(path); n != c.want || known != c.known {
			t.Errorf("%s: %d, %t, want %d, %t", situation, n, known, c.want, c.known)
		}
	}
	if n, known := killsIn("none"); n != 0 || known {
		t.Errorf("no file: %d, %t", n, known)
	}
}

// A group counts what was killed in it and, in version 2, below it.
func TestKillsOfAllGroupsAbove(t *testing.T) {
	t.Parallel()
	mount := t.TempDir()
	own := filepath.Join(mount, "app.slice", "scout.service")
	if err := os.MkdirAll(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"app.slice/memory.events": "oom_kill 3\n", "app.slice/scout.service/memory.events": "oom_kill 1\n", "app.slice/scout.service/memory.oom_control": "oom_kill 7\n"} {
		if err := os.WriteFile(filepath.Join(mount, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := killsOf(&Tree{Mount: mount, Own: own, Version: 2})
	if len(second) != 2 || second[0].N != 1 || second[1].N != 3 || second[0].Group == second[1].Group {
		t.Errorf("version 2: %+v, want 1 and 3 in two groups", second)
	}
	if first := killsOf(&Tree{Mount: mount, Own: own, Version: 1}); len(first) != 1 || first[0].N != 7 || first[0].Group != second[0].Group {
		t.Errorf("version 1: %+v, want 7 in the own group", first)
	}
	if none := killsOf(&Tree{Mount: mount, Own: mount, Version: 2}); len(none) != 0 {
		t.Errorf("the root: %+v, want nothing", none)
	}
}

func TestMoreKills(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		before, now []Kills
		want        bool
	}{
		"nothing is known":                          {nil, nil, false},
		"the system tells no more":                  {[]Kills{{1, 0}}, nil, false},
		"none in the same group":                    {[]Kills{{1, 4}, {2, 7}}, []Kills{{1, 4}, {2, 9}}, false}, // of another program
		"one in the same group":                     {[]Kills{{1, 4}, {2, 7}}, []Kills{{1, 5}, {2, 8}}, true},
		"the group was made anew, with one above":   {[]Kills{{1, 0}, {2, 7}}, []Kills{{3, 0}, {2, 8}}, true},
		"the group was made anew, with none above":  {[]Kills{{1, 4}, {2, 7}}, []Kills{{3, 9}, {2, 7}}, false},
		"no group is the same":                      {[]Kills{{1, 0}, {2, 0}}, []Kills{{3, 9}, {4, 9}}, false},
		"the group above is not told of any longer": {[]Kills{{1, 0}, {2, 0}}, []Kills{{1, 0}}, false},
	} {
		if got := MoreKills(c.before, c.now); got != c.want {
			t.Errorf("%s: %t, want %t", situation, got, c.want)
		}
	}
}
