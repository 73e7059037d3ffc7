package api

import (
	"context"
	"time"
)

// role is what a caller may do, and who may call an operation.
type role string

const (
	// roleOwner may do everything. An operation that says nothing else is the owner's alone.
	roleOwner role = "owner"
	// roleClient is a program that uses Scout: it sees what it made itself.
	roleClient role = "client"
	// roleNone is that of an operation which anybody may call, and of whoever has shown nothing.
	roleNone role = "none"
)

// may reports whether a caller with this role may call an operation with that one.
func (r role) may(operation role) bool {
	switch operation {
	case roleNone:
		return true
	case roleClient:
		return r == roleClient || r == roleOwner
	}
	return r == roleOwner
}

// caller is whoever sent a request.
type caller struct {
	role role
	// id is under which the store has what the caller made; empty for the owner of this Scout.
	id string
	// name is what a caller without a key calls itself. It gives no rights.
	name string
	// session is the one that the caller's cookie named, until when it lasts; zero for a caller without.
	session secretHash
	until   time.Time
	// base precedes the paths of the links that it gets.
	base string
	// secure is true where the request came over TLS.
	secure bool
	// secret is the key of a page by which the caller may open realtime sessions, and nothing else; nil for any other caller.
	secret *pageSecret
}

// at is the caller with what precedes the paths of its links.
func (c caller) at(base string) caller {
	c.base = base
	return c
}

// owns reports whether the caller may see something that the store has under this client.
func (c caller) owns(client string) bool {
	return c.role == roleOwner || c.role == roleClient && c.id == client
}

// clientOf is the client whose things a request may see; empty for all.
func clientOf(ctx context.Context) string {
	if c := callerOf(ctx); c.role != roleOwner {
		return c.id
	}
	return ""
}

// label names the caller in the log; empty for the owner.
func (c caller) label() string {
	if c.name != "" {
		return c.id + ":" + c.name
	}
	return c.id
}

// plain names the caller for people.
func (c caller) plain() string {
	if c.id == localClient {
		return "programs without a key, together,"
	}
	return c.id
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// callerOf returns who sent the request of a context. Where nobody was noted, it is somebody without rights.
func callerOf(ctx context.Context) caller {
	if c, is := ctx.Value(callerKey{}).(caller); is {
		return c
	}
	return caller{role: roleNone}
}

// answers is under which the answers to the caller's requests are kept, and found again when a request is repeated.
func (c caller) answers() string {
	if c.id == "" {
		return string(c.role)
	}
	return string(c.role) + " " + c.label()
}
