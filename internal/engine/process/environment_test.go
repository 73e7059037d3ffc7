package process

import (
	"os/exec"
	"testing"
)

// The user's own tunables of the C library stay. Huge pages are added to them if they are wanted.
func TestChildEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		env   []string
		huge  bool
		wants string
	}{
		{"not wanted", []string{"HOME=/"}, false, ""},
		{"not wanted, others set", []string{"GLIBC_TUNABLES=glibc.malloc.check=1"}, false, "glibc.malloc.check=1"},
		{"wanted", []string{"HOME=/"}, true, "glibc.malloc.hugetlb=1"},
		{"wanted beside others", []string{"GLIBC_TUNABLES=glibc.malloc.check=1"}, true, "glibc.malloc.check=1:glibc.malloc.hugetlb=1"},
		{"wanted beside nothing", []string{"GLIBC_TUNABLES="}, true, "glibc.malloc.hugetlb=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `printf %s "$GLIBC_TUNABLES"`)
			cmd.Env = childEnv(c.env, c.huge)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(out); got != c.wants {
				t.Errorf("GLIBC_TUNABLES %q, want %q", got, c.wants)
			}
		})
	}
}
