//go:build unix

package testrun

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// nobody is a user who owns nothing, as Linux has it.
const nobody = 65534

// AsNobody runs a test of rights that do not hold for root. Called by root, it runs the test once more in a process of a user
// without rights, passes its result on and returns true: the test is done. It returns false where the caller is such a user
// already. The package's TestMain must work for that user.
func AsNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	folder := openFolder(t)
	program := filepath.Join(folder, "test")
	content, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skipf("the program of this test cannot be read: %v", err)
	}
	if err := WriteProgram(program, content); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+regexp.QuoteMeta(t.Name())+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), "HOME="+folder, "TMPDIR="+folder)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: Nobody()}
	out, err := cmd.CombinedOutput()
	switch said := string(out); {
	case err != nil:
		t.Errorf("as another user: %v\n%s", err, said)
	case strings.Contains(said, "--- SKIP: "+t.Name()):
		t.Skip("as another user: " + said)
	case !strings.Contains(said, "--- PASS: "+t.Name()):
		t.Errorf("as another user nothing was run: %s", said)
	}
	return true
}

// Nobody is the user without rights, for processes that root starts.
func Nobody() *syscall.Credential { return &syscall.Credential{Uid: nobody, Gid: nobody} }

// openFolder is a folder for everybody, outside the test's own, which only its user may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "scout-nobody-") //nolint:usetesting // only its own user may enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(folder, 0o777); err != nil { //nolint:gosec // another user writes there
		t.Fatal(err)
	}
	return folder
}
