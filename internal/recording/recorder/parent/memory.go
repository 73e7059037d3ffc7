package parent

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// The memory has two slots that are written in turn, so that a child which dies while it writes leaves what it had
// written before. A slot is a number that grows, the length and the checksum of the content, and the content.
const (
	slotBytes = 256 << 10
	headBytes = 8 + 4 + 4
)

// errTooLong is an order with labels that nobody writes by hand.
var errTooLong = errors.New("what is under way does not fit into the memory shared with the parent")

// writeMemory puts content in the place of what is there.
func writeMemory(memory *os.File, content []byte) error {
	if len(content) > slotBytes-headBytes {
		return errTooLong
	}
	_, number := readMemory(memory)
	number++
	slot := make([]byte, headBytes, headBytes+len(content))
	binary.LittleEndian.PutUint64(slot, number)
	binary.LittleEndian.PutUint32(slot[8:], uint32(len(content)))
	slot = append(slot, content...)
	binary.LittleEndian.PutUint32(slot[12:], checksum(slot))
	_, err := memory.WriteAt(slot, int64(number%2)*slotBytes)
	return err
}

// readMemory returns what was written last and its number; nil and 0 where that is nothing.
func readMemory(memory *os.File) (content []byte, number uint64) {
	for i := range int64(2) {
		head := make([]byte, headBytes)
		if _, err := memory.ReadAt(head, i*slotBytes); err != nil {
			continue // shorter: never written
		}
		n, size := binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint32(head[8:])
		if n <= number || size > slotBytes-headBytes {
			continue
		}
		slot := make([]byte, headBytes+size)
		if _, err := memory.ReadAt(slot, i*slotBytes); err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		if binary.LittleEndian.Uint32(slot[12:]) == checksum(slot) {
			content, number = slot[headBytes:], n
		}
	}
	if len(content) == 0 {
		return nil, number
	}
	return content, number
}

// checksum is that of a slot, its own place left out.
func checksum(slot []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(slot[:12]), crc32.IEEETable, slot[headBytes:])
}

// underWay reports whether the child left something that is to be continued.
func underWay(memory *os.File) bool {
	content, _ := readMemory(memory)
	return len(content) > 0
}
