package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
)

func TestTheKeyOfTheMetricsIsReadFromItsFile(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		content string
		want    string // empty for an error
	}{
		"a key":                   {"0123456789abcdef", "0123456789abcdef"},
		"with the end of a line":  {"0123456789abcdef\n", "0123456789abcdef"},
		"nothing":                 {"", ""},
		"too short":               {"0123456789abcde", ""},
		"two words":               {"0123456789abcdef ghijklmnop", ""},
		"two lines":               {"0123456789abcdef\nghijklmnop", ""},
		"another file":            {strings.Repeat("x", 5000), ""},
		"what no header can have": {"0123456789abcdé\x01", ""},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := readMetricsKey(path)
		if key != c.want || (err == nil) != (c.want != "") || err != nil && scout.CodeOf(err) != scout.CodeConfigInvalid {
			t.Errorf("%s: %q, %v; want %q", situation, key, err, c.want)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if _, err := readMetricsKey(path); scout.CodeOf(err) != scout.CodeConfigInvalid || !strings.Contains(err.Error(), "metrics.key_file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAddressesOfTheMetrics(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // of a test
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		address, file string
		code          scout.Code
	}{
		"on this machine":                      {"127.0.0.1:0", "", ""},
		"on this machine, with a key":          {"127.0.0.1:0", file, ""},
		"both families":                        {"localhost:0", "", ""},
		"from elsewhere, with a key":           {"0.0.0.0:0", file, ""},
		"from elsewhere, without a key":        {"0.0.0.0:0", "", scout.CodeConfigInvalid},
		"without a host, without a key":        {":0", "", scout.CodeConfigInvalid},
		"a key that is not there":              {"127.0.0.1:0", file + ".none", scout.CodeConfigInvalid},
		"a port that is taken":                 {taken.Addr().String(), "", scout.CodeAddressTaken},
		"an address that this machine has not": {"192.0.2.1:0", file, scout.CodeAddressTaken},
	} {
		ports, err := listenForMetrics(t.Context(), c.address, c.file)
		if scout.CodeOf(err) != c.code && (err != nil || c.code != "") {
			t.Errorf("%s: %v, want %q", situation, err, c.code)
		}
		if err != nil && !strings.Contains(scout.Plain(err)+scout.HintOf(err), "metrics.") {
			t.Errorf("%s: %v does not name the setting", situation, err)
		}
		if err == nil && len(ports) == 0 {
			t.Errorf("%s: nothing listens", situation)
		}
		if err := closeAll(ports); err != nil {
			t.Error(err)
		}
	}
}
