package store

import (
	"crypto/sha256"
	"time"
)

// AccessKey lets a program use Scout over the network. The key itself is nowhere: who has the store cannot use it.
type AccessKey struct {
	// ID names the key without being it: key_ and a ULID.
	ID   string
	Name string
	// Role is what it allows: RoleOwner or RoleClient.
	Role string
	// Hash is the SHA-256 of the key.
	Hash [sha256.Size]byte
	// RequestsPerMinute is how many requests it may send; 0 for the general limit.
	RequestsPerMinute int
	// CreatedAt is when it was made; PutAccessKey sets it.
	CreatedAt time.Time
}

// Roles of keys.
const (
	RoleOwner  = "owner"
	RoleClient = "client"
)

// MostAccessKeys is how many keys there may be: each request is compared with all of them.
const MostAccessKeys = 1000
