//go:build !linux

package recording

import "os"

// ownerOf returns nothing where the system does not tell who holds a lock.
func ownerOf(*os.File) Tenant { return Tenant{} }
