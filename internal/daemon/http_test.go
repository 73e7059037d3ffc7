package daemon

import "testing"

// An address opens its own family of IP to others: with "tcp", 0.0.0.0 and :: would be both.
func TestTheFamilyOfAnAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"": "tcp", "0.0.0.0": "tcp4", "127.0.0.1": "tcp4", "192.168.1.5": "tcp4", "::ffff:192.168.1.5": "tcp4", "::": "tcp6", "::1": "tcp6", "fe80::1%eth0": "tcp6",
	} {
		if got := familyOf(host); got != want {
			t.Errorf("%q is of %s, want %s", host, got, want)
		}
	}
}
