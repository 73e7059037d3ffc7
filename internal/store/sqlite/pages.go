package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
)

// Layout of a database file: https://www.sqlite.org/fileformat2.html, 1.3, 1.6 and 2.1.
const (
	magic            = "SQLite format 3\x00"
	usualPage        = 4096
	smallestPage     = 512
	largestVarint    = 9
	maxRecordColumns = 100
	maxPayload       = 1 << 30
)

// pages are those of a database file whose list of tables cannot be read, with what a log has of them.
type pages struct {
	file   *os.File
	size   int64 // of a page
	count  int64
	log    *os.File // nil for none
	logged map[int64]int64
	seen   map[int64]bool // pages whose place is known
}

// openPages opens a file. The caller closes it.
func openPages(path string) (p *pages, err error) {
	p = &pages{size: usualPage, logged: make(map[int64]int64), seen: make(map[int64]bool)}
	if p.file, err = os.Open(path); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	info, err := p.file.Stat()
	if err != nil {
		return nil, err
	}
	var head [databaseHeader]byte
	if _, err := p.file.ReadAt(head[:], 0); err == nil && string(head[:16]) == magic {
		if size := int64(binary.BigEndian.Uint16(head[16:])); size >= smallestPage && size&(size-1) == 0 {
			p.size = size
		}
	}
	p.count = info.Size() / p.size
	err = p.readLog(path)
	return p, err
}

// readLog finds the pages that were committed to the log and are not in the file yet.
func (p *pages) readLog(path string) error {
	open := make(map[int64]int64) // of a transaction whose end was not seen
	err := walFrames(path, func([8]byte) int64 { return walHeader }, func(f walFrame) {
		open[f.page] = f.end - p.size
		if f.commit {
			for page, at := range open {
				p.logged[page] = at
				p.count = max(p.count, page)
			}
			clear(open)
		}
	})
	if err != nil || len(p.logged) == 0 {
		return err
	}
	p.log, err = os.Open(path + walSuffix)
	return err
}

func (p *pages) close() error {
	if p.log != nil {
		return errors.Join(p.file.Close(), p.log.Close())
	}
	return p.file.Close()
}

// page reads a page; nil where there is none.
func (p *pages) page(n int64) []byte {
	data := make([]byte, p.size)
	from, at := p.file, (n-1)*p.size
	if logged, is := p.logged[n]; is {
		from, at = p.log, logged
	}
	if n < 1 || n > p.count {
		return nil
	}
	if _, err := from.ReadAt(data, at); err != nil {
		return nil
	}
	return data
}

// cellRow is a row of a table, or an entry of an index: then its key is 0.
type cellRow struct {
	index  bool
	key    int64
	values []any // as database/sql takes them
}

// rows calls each for every row that can be read. It returns how many of them could be read in part only, and how many pages
// are of no use: they are damaged, or free.
func (p *pages) rows(each func(cellRow) error) (broken, useless int, err error) {
	for n := int64(1); n <= p.count; n++ {
		data := p.page(n)
		if data == nil {
			continue
		}
		cells, kind := cellsOf(data, n)
		if kind == 0 {
			continue
		}
		p.seen[n] = true
		for _, at := range cells {
			r, whole := p.cell(data, at, kind)
			if !whole {
				broken++
				continue
			}
			if err := each(r); err != nil {
				return broken, 0, err
			}
		}
	}
	p.markFree()
	for n := int64(2); n <= p.count; n++ {
		if !p.seen[n] {
			useless++
		}
	}
	return broken, useless, nil
}

// markFree notes the pages that are in no use, as far as the header of the file tells.
func (p *pages) markFree() {
	first := p.page(1)
	if first == nil || string(first[:16]) != magic {
		return
	}
	for next := int64(binary.BigEndian.Uint32(first[32:])); next > 0 && !p.seen[next]; {
		list := p.page(next)
		if list == nil {
			return
		}
		p.seen[next] = true
		for i := range min(int64(binary.BigEndian.Uint32(list[4:])), p.size/4-2) {
			p.seen[int64(binary.BigEndian.Uint32(list[8+4*i:]))] = true
		}
		next = int64(binary.BigEndian.Uint32(list))
	}
}

// cellsOf returns where the cells of a page of a tree with content begin. The kind is 0 for a page that is none.
func cellsOf(data []byte, number int64) (cells []int, kind byte) {
	at := 0
	if number == 1 {
		at = databaseHeader
	}
	kind = data[at]
	header := leafHeader
	switch kind {
	case interiorIndex, interiorTable:
		header = interiorHeader
	case leafIndex, leafTable:
	default:
		return nil, 0
	}
	count := int(binary.BigEndian.Uint16(data[at+3:]))
	end := at + header + 2*count
	if end > len(data) {
		return nil, 0
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(data[at+header+2*i:]))
		if cell < end || cell >= len(data) {
			return nil, 0
		}
		cells = append(cells, cell)
	}
	if kind == interiorTable {
		return nil, kind // it has keys alone
	}
	return cells, kind
}

// cell reads the row in a cell.
func (p *pages) cell(data []byte, at int, kind byte) (r cellRow, whole bool) {
	if kind == interiorIndex {
		at += 4 // the page below
	}
	length, n := varint(data, at)
	at += n
	if n == 0 || length < 1 || length > maxPayload {
		return r, false
	}
	usable := p.size
	local := (usable-12)*64/255 - 23 // of an index
	r.index = kind != leafTable
	if !r.index {
		local = usable - 35
		var n int
		if r.key, n = varint(data, at); n == 0 {
			return r, false
		}
		at += n
	}
	payload, whole := p.payload(data, at, length, local)
	if !whole {
		return r, false
	}
	r.values, whole = valuesOf(payload)
	return r, whole
}

// payload joins the parts of a row.
func (p *pages) payload(data []byte, at int, length, local int64) (payload []byte, whole bool) {
	here := length
	if length > local {
		least := (p.size-12)*32/255 - 23
		if here = least + (length-least)%(p.size-4); here > local {
			here = least
		}
	}
	if int64(at)+here > int64(len(data)) {
		return nil, false
	}
	payload = append(payload, data[at:int64(at)+here]...)
	if here == length {
		return payload, true
	}
	if int64(at)+here+4 > int64(len(data)) {
		return nil, false
	}
	var chain []int64
	for next := int64(binary.BigEndian.Uint32(data[int64(at)+here:])); int64(len(payload)) < length; {
		more := p.page(next)
		if more == nil || p.seen[next] {
			return nil, false
		}
		chain = append(chain, next)
		payload = append(payload, more[4:min(int64(len(more)), 4+length-int64(len(payload)))]...)
		next = int64(binary.BigEndian.Uint32(more))
	}
	for _, n := range chain {
		p.seen[n] = true
	}
	return payload, true
}

// valuesOf reads the values of a record.
func valuesOf(record []byte) (values []any, whole bool) {
	header, at := varint(record, 0)
	if at == 0 || header > int64(len(record)) {
		return nil, false
	}
	body := int(header)
	for int64(at) < header {
		kind, n := varint(record, at)
		at += n
		if n == 0 || len(values) > maxRecordColumns {
			return nil, false
		}
		value, size := valueOf(record[body:], kind)
		if size < 0 {
			return nil, false
		}
		values = append(values, value)
		body += size
	}
	return values, body == len(record)
}

// valueOf reads a value of a serial type; its size is less than 0 where it is none.
func valueOf(from []byte, kind int64) (value any, size int) {
	const text, blob = 13, 12
	sizes := [...]int{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}
	switch {
	case kind >= 0 && kind < int64(len(sizes)):
		size = sizes[kind]
	case kind >= blob && (kind-blob)/2 <= int64(len(from)):
		size = int((kind - blob) / 2)
	default:
		return nil, -1
	}
	if size > len(from) {
		return nil, -1
	}
	switch {
	case kind == 0:
		return nil, 0
	case kind == 7:
		return math.Float64frombits(binary.BigEndian.Uint64(from)), size
	case kind == 8, kind == 9:
		return kind - 8, 0
	case kind < blob:
		n := int64(int8(from[0]))
		for _, b := range from[1:size] {
			n = n<<8 | int64(b)
		}
		return n, size
	case kind%2 == text%2:
		return string(from[:size]), size
	}
	return append([]byte{}, from[:size]...), size
}

// varint reads a number of up to 9 bytes; n is 0 where there is none.
func varint(data []byte, at int) (v int64, n int) {
	for i := range largestVarint {
		if at+i >= len(data) {
			return 0, 0
		}
		b := data[at+i]
		if i == largestVarint-1 {
			return v<<8 | int64(b), largestVarint
		}
		v = v<<7 | int64(b&0x7f)
		if b < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
