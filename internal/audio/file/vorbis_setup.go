package file

import "math/bits"

// maxVorbisBooks limits the code book values of one setup header in total. Real ones have about 100,000; without a
// limit a header of 40 bytes could request gigabytes.
const maxVorbisBooks = 1 << 22

// checkVorbisBooks checks the code books at the beginning of a setup header (Vorbis I, 3.2.1) and refuses those that
// would take more memory than maxVorbisBooks.
func checkVorbisBooks(packet []byte) error {
	r := bitReader{data: packet}
	r.skip(7 * 8) // packet type and "vorbis"
	books := int(r.read(8)) + 1
	var total uint64
	for range books {
		if r.read(24) != 0x564342 || r.short() {
			return damagef("vorbis code book")
		}
		dimensions, entries := uint64(r.read(16)), uint64(r.read(24))
		total += entries * max(dimensions, 1)
		if dimensions == 0 || entries == 0 || total > maxVorbisBooks {
			return damagef("vorbis code books of %d and more values", total)
		}
		if !r.codeLengths(entries) {
			return damagef("vorbis code book without a complete code")
		}
		switch lookup := r.read(4); lookup {
		case 0:
		case 1, 2:
			r.skip(64)
			width := uint64(r.read(4)) + 1
			r.skip(1)
			values := entries * dimensions
			if lookup == 1 {
				values = rootFloor(entries, dimensions)
			}
			r.skip(values * width)
		default:
			return damagef("vorbis code book lookup %d", lookup)
		}
	}
	if r.short() {
		return damagef("vorbis setup header is cut off")
	}
	return nil
}

// codeLengths reads the code word lengths of a book and reports whether every sequence of bits is a word of it. In an
// incomplete code the library would look for the end of a word for ever.
func (r *bitReader) codeLengths(entries uint64) bool {
	const whole = 1 << 32
	var sum, used uint64 // sum of 2^-length (Kraft), 1 for a complete code
	if r.read(1) == 0 {
		sparse := r.read(1) == 1
		for range entries {
			if !sparse || r.read(1) == 1 {
				sum += whole >> (r.read(5) + 1)
				used++
			}
			if r.short() {
				return false
			}
		}
	} else {
		length := r.read(5) + 1
		for current := uint64(0); current < entries; length++ {
			number := uint64(r.read(bits.Len64(entries - current)))
			if r.short() || length > 32 {
				return false
			}
			current += number
			used += number
			sum += number * (whole >> length)
		}
	}
	return sum == whole || used == 1 && sum == whole/2
}

// rootFloor is the greatest integer whose n-th power is at most x (Vorbis I, 9.2.3).
func rootFloor(x, n uint64) uint64 {
	fits := func(root uint64) bool {
		power := uint64(1)
		for range n {
			if power *= root; power > x {
				return false
			}
			if root < 2 {
				break
			}
		}
		return true
	}
	root := uint64(0)
	for step := uint64(1) << 24; step > 0; step /= 2 {
		if fits(root + step) {
			root += step
		}
	}
	return root
}

// bitReader reads bits as Vorbis packs them, lowest first. After the end it reads zeros.
type bitReader struct {
	data []byte
	pos  uint64 // bits
}

func (r *bitReader) read(n int) uint32 {
	var v uint32
	for i := range n {
		at := r.pos + uint64(i)
		if at/8 < uint64(len(r.data)) {
			v |= uint32(r.data[at/8]>>(at%8)&1) << i
		}
	}
	r.pos += uint64(n)
	return v
}

func (r *bitReader) skip(n uint64) { r.pos += n }

// short reports whether more was read than there is.
func (r *bitReader) short() bool { return r.pos > uint64(len(r.data))*8 }
