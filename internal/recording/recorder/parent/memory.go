package parent

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// The memory has two slots that are written in turn, so that a child which dies while it writes leaves the previous
// content. A slot is a growing number, the length and the checksum of the content, and the content.
const (
	slotBytes = 256 << 10
	headBytes = 8 + 4 + 4
)

// errTooLong is an order whose labels are too long; nobody writes such labels by hand.
var errTooLong = errors.New("what is under way does not fit into the memory shared with the parent")

// writeMemory replaces the content.
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

// readMemory returns the last content and its number; nil and 0 if there is none.
func readMemory(memory *os.File) (content []byte, number uint64) {
	for i := range int64(2) {
		head := make([]byte, headBytes)
		if _, err := memory.ReadAt(head, i*slotBytes); err != nil {
			continue // too short: never written
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

// checksum returns the checksum of a slot, without the checksum itself.
func checksum(slot []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(slot[:12]), crc32.IEEETable, slot[headBytes:])
}

// underWay reports whether the child left a recording to continue.
func underWay(memory *os.File) bool {
	content, _ := readMemory(memory)
	return len(content) > 0
}
