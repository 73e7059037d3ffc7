package footprint

import (
	"os"
	"runtime"
	"testing"
)

// Memory that this process takes is counted, and so is its end.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system does not tell it")
	}
	before, err := Memory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	taken := make([]byte, size)
	for i := 0; i < size; i += 4096 {
		taken[i] = 1
	}
	after, err := Memory(os.Getpid())
	if err != nil || before == 0 || after < before+size*9/10 {
		t.Errorf("%d bytes before, %d with %d more, %v", before, after, size, err)
	}
	runtime.KeepAlive(taken)
	if _, err := Memory(1 << 30); err == nil {
		t.Error("a process that does not exist has memory")
	}
}
