package parent

import (
	"bytes"
	"testing"
)

func TestTheMemoryKeepsWhatWasWrittenLast(t *testing.T) {
	t.Parallel()
	memory, err := makeMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = memory.Close() }() // it is only memory
	if content, _ := readMemory(memory); content != nil || underWay(memory) {
		t.Errorf("new memory holds %q", content)
	}
	for _, want := range []string{"a", "a longer one", "", "b", "c"} {
		if err := writeMemory(memory, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if content, _ := readMemory(memory); string(content) != want || underWay(memory) != (want != "") {
			t.Errorf("%q, want %q", content, want)
		}
	}
	if err := writeMemory(memory, make([]byte, slotBytes)); err == nil {
		t.Error("what does not fit was taken")
	}
}

// A child that dies at any byte of a write leaves the old content or the new content, never a mixture.
func TestTheMemoryOfAChildThatDiesWhileItWrites(t *testing.T) {
	t.Parallel()
	before, after := []byte("the order that is under way"), []byte("another, of another length altogether")
	whole, err := makeMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = whole.Close() }() // it is only memory
	for _, content := range [][]byte{[]byte("older"), before, after} {
		if err := writeMemory(whole, content); err != nil {
			t.Fatal(err)
		}
	}
	slot := make([]byte, headBytes+len(after))
	if _, err := whole.ReadAt(slot, slotBytes); err != nil { // the third write has number 3
		t.Fatal(err)
	}
	for n := range len(slot) + 1 {
		torn, err := makeMemory()
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range [][]byte{[]byte("older"), before} {
			if err := writeMemory(torn, content); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := torn.WriteAt(slot[:n], slotBytes); err != nil {
			t.Fatal(err)
		}
		content, _ := readMemory(torn)
		if !bytes.Equal(content, before) && (n < len(slot) || !bytes.Equal(content, after)) {
			t.Errorf("after %d bytes: %q", n, content)
		}
		if err := torn.Close(); err != nil {
			t.Error(err)
		}
	}
}
