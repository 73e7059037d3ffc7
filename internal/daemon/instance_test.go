package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// A data folder on a file system without locks is refused with what to do, and nothing is begun in it.
func TestADataFolderWithoutLocks(t *testing.T) {
	t.Parallel()
	for cause, want := range map[error]scout.Code{
		unix.ENOLCK: scout.CodeStoreUnsafe, unix.EOPNOTSUPP: scout.CodeStoreUnsafe, unix.ENOSYS: scout.CodeStoreUnsafe,
		unix.EINVAL: scout.CodeStoreUnsafe, unix.EIO: scout.CodeWriteFailed,
	} {
		t.Run(fmt.Sprint(cause), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			i, err := takeInstanceBy(func(*os.File) (bool, error) { return false, filelock.Explain(cause) }, dir, Holder{Version: "1"}, askedFor)
			if i != nil || scout.CodeOf(err) != want || !strings.Contains(err.Error(), filepath.Join(dir, LockName)) || scout.HintOf(err) == "" {
				t.Fatalf("%v (%s, %q)", err, scout.CodeOf(err), scout.HintOf(err))
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 1 {
				t.Errorf("%v, %v: want the lock alone", entries, err)
			}
			if _, held, err := HolderOf(dir); held || err != nil {
				t.Errorf("held: %v, %v", held, err)
			}
			i, err = takeInstance(dir, Holder{Version: "1"}, askedFor) // there is nothing left to clear up
			if err != nil {
				t.Fatal(err)
			}
			if err := i.close(); err != nil {
				t.Error(err)
			}
		})
	}
}
