package recording_test

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

func TestARecordingInUse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("this system does not tell who has a file open")
	}
	folder, _ := openFolder(t)
	w := create(t, folder, speech)
	write(t, w, 1000)
	id := w.ID()
	is := func(when string, want bool) {
		t.Helper()
		if got, err := folder.InUse(id); err != nil || got != want {
			t.Errorf("%s: in use %v, %v, want %v", when, got, err, want)
		}
	}
	is("while it is written", true)
	finish(t, w)
	is("when nobody has it open", false)

	reader, err := os.Open(folder.AudioPath(id))
	check(t, err)
	is("while this program reads it", true)
	check(t, reader.Close())
	is("when the reader has gone", false)

	other := exec.CommandContext(t.Context(), "sh", "-c", `exec 3<"$1" && echo open && read line`, "sh", folder.AudioPath(id))
	out, err := other.StdoutPipe()
	check(t, err)
	in, err := other.StdinPipe()
	check(t, err)
	check(t, other.Start())
	_, err = out.Read(make([]byte, 8))
	check(t, err)
	is("while another program reads it", true)
	check(t, in.Close())
	_ = other.Wait() // its input has ended
	is("when the other program has ended", false)

	check(t, folder.Trash(id))
	is("in the trash", false)
	check(t, folder.Delete(id))
	is("deleted", false)
	if got, err := folder.InUse("../other"); got || err != nil {
		t.Errorf("no id: %v, %v", got, err)
	}
}
