package file

import "bytes"

// skipHeader moves behind the header of a container, because the header of a codec is in there: that of FLAC or TTA is the beginning
// of a file, too.
func (c *cursor) skipHeader(container string) {
	switch container {
	case "matroska", "webm":
		cluster := []byte{matroskaCluster >> 24, matroskaCluster >> 16 & 0xFF, matroskaCluster >> 8 & 0xFF, matroskaCluster & 0xFF}
		c.seek(c.search(func(b []byte) bool { return bytes.Equal(b[:len(cluster)], cluster) }).end)
	case "ogg":
		for {
			b := c.peek(oggHeaderBytes + 255)
			if len(b) < oggHeaderBytes || string(b[:4]) != "OggS" || b[5]&oggFirst == 0 {
				return
			}
			if !c.skip(oggPageSize(b)) {
				c.seek(c.size)
				return
			}
		}
	}
}

// oggPageSize returns the length of a page, from its header on.
func oggPageSize(b []byte) int64 {
	size := int64(oggHeaderBytes + int(b[26]))
	for _, n := range b[oggHeaderBytes:min(int(size), len(b))] {
		size += int64(n)
	}
	return size
}

// tornPage finds another file that begins inside of a page of Ogg, which is then not whole. Otherwise it moves to the next page or file.
func (c *cursor) tornPage(page, size int64) (at int64, torn bool) {
	c.seek(page)
	next := c.search(func(b []byte) bool { return string(b[:4]) == "OggS" || startsFile(b) }).end
	c.seek(next)
	return next, next < min(page+size, c.size) && startsFile(c.peek(signatureBytes))
}
