package realtime

import (
	"encoding/json"
	"slices"
)

// keptItems and keptBytes bound what is kept of a conversation.
const (
	keptItems = 1000
	keptBytes = 1 << 20
)

// conversation are the items of a session in their order, as clients see it.
type conversation struct {
	items []record
	bytes int // that the client sent
}

// record is an item that can be retrieved.
type record struct {
	id         string
	transcript *string
	sent       json.RawMessage // by the client
}

// find returns the number of an item, negative if there is none with that id.
func (c *conversation) find(id string) int {
	return slices.IndexFunc(c.items, func(r record) bool { return r.id == id })
}

// last is the id of the last item, empty if there is none.
func (c *conversation) last() string { return c.before(len(c.items)) }

// before is the id of the item before a number, empty if there is none.
func (c *conversation) before(n int) string {
	if n == 0 {
		return ""
	}
	return c.items[n-1].id
}

// insert puts an item at a number, and forgets the first ones beyond the bounds. The last one is kept: what follows names it.
func (c *conversation) insert(n int, r record) {
	c.items = slices.Insert(c.items, n, r)
	c.bytes += len(r.sent)
	for len(c.items) > keptItems || c.bytes > keptBytes && len(c.items) > 1 {
		c.remove(0)
	}
}

// remove forgets an item.
func (c *conversation) remove(n int) {
	c.bytes -= len(c.items[n].sent)
	c.items = slices.Delete(c.items, n, n+1)
}

// place returns where an item of the client goes, behind the item that it names. The error is a *Problem.
func (c *conversation) place(previous json.RawMessage) (int, error) {
	if previous == nil || isNull(previous) {
		return len(c.items), nil
	}
	id, ok := text(previous)
	switch n := c.find(id); {
	case ok && id == "":
		return len(c.items), nil
	case ok && id == firstOfAll:
		return 0, nil
	case ok && n >= 0:
		return n + 1, nil
	}
	return 0, &Problem{Code: codeInvalidValue, Param: "previous_item_id", Message: "previous_item_id: there is no such item"}
}

// firstOfAll stands for the beginning of the conversation.
const firstOfAll = "root"
