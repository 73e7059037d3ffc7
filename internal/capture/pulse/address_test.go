package pulse

import (
	"testing"
)

func TestAddress(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	t.Setenv("PULSE_RUNTIME_PATH", "")
	t.Setenv("PULSE_SERVER", "")
	for server, want := range map[string]string{
		"": "unix /run/user/7/pulse/native", "/tmp/x": "unix /tmp/x", "unix:/tmp/y": "unix /tmp/y",
		"tcp:host:99": "tcp host:99", "tcp4:host": "tcp4 host:4713", "{abc}unix:/tmp/z tcp:h": "unix /tmp/z",
		"nonsense unix:/tmp/w": "unix /tmp/w", "{broken": "unix /run/user/7/pulse/native",
	} {
		network, where := address(server)
		if got := network + " " + where; got != want {
			t.Errorf("%q: %s, want %s", server, got, want)
		}
	}
	t.Setenv("PULSE_SERVER", "unix:/from/env")
	if _, where := address(""); where != "/from/env" {
		t.Errorf("from the environment: %s", where)
	}
}
