package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/argon2"

	"github.com/layercake-app/layercake/internal/fault"
)

// MinPassphrase is the least length of a passphrase that seals, in bytes.
const MinPassphrase = 12

// What stands before a sealed text: the name of the format, the three parameters
// of Argon2id, the salt and the nonce.
const (
	sealName   = "LCseal1\n"
	sealSalt   = 16
	sealNonce  = 12
	sealHeader = len(sealName) + 4 + 4 + 1 + sealSalt + sealNonce
)

// The parameters of new seals: the second choice of RFC 9106 §4, which needs
// 64 MiB for a fraction of a second. A seal that asks for more than the limits is
// not opened: whoever made it wants to use up this machine.
const (
	sealPasses    = 3
	sealMemory    = 64 << 10 // KiB
	sealLanes     = 4
	maxSealPasses = 16
	maxSealMemory = 1 << 20 // KiB
)

// Seal encrypts plain with AES-256-GCM under a key that Argon2id makes of the
// passphrase. The result holds all that Open needs but the passphrase.
func Seal(passphrase Text, plain []byte) ([]byte, error) {
	head := make([]byte, sealHeader)
	at := copy(head, sealName)
	binary.BigEndian.PutUint32(head[at:], sealPasses)
	binary.BigEndian.PutUint32(head[at+4:], sealMemory)
	head[at+8] = sealLanes
	_, _ = rand.Read(head[at+9:]) // it never fails
	aead, nonce, err := sealer(passphrase, head)
	if err != nil {
		return nil, err
	}
	return aead.Seal(head, nonce, plain, head), nil
}

// Open returns what was sealed. Errors: fault.Invalid "secret.passphrase" for a
// wrong passphrase or a changed text, which nothing tells apart, and
// "secret.sealed" for what is no sealed text.
func Open(passphrase Text, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader || string(sealed[:len(sealName)]) != sealName {
		return nil, fault.Invalid("secret.sealed", "This is nothing that LayerCake has sealed. Take an undamaged copy.")
	}
	head := sealed[:sealHeader:sealHeader]
	aead, nonce, err := sealer(passphrase, head)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed[sealHeader:], head)
	if err != nil {
		return nil, fault.Invalid("secret.passphrase", "The passphrase does not fit, or what it seals was changed. Give the passphrase with which it was sealed.").Because(err)
	}
	return plain, nil
}

// sealer makes the cipher that head describes.
func sealer(passphrase Text, head []byte) (aead cipher.AEAD, nonce []byte, err error) {
	rest := head[len(sealName):]
	passes, memory, lanes := binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]), rest[8]
	if passes < 1 || passes > maxSealPasses || memory > maxSealMemory || lanes < 1 {
		return nil, nil, fault.Invalid("secret.sealed", "What is sealed asks for more work than LayerCake does to open it. Take an undamaged copy.")
	}
	salt := rest[9 : 9+sealSalt]
	block, err := aes.NewCipher(argon2.IDKey([]byte(passphrase.Reveal()), salt, passes, memory, lanes, 32))
	if err != nil {
		return nil, nil, fmt.Errorf("make cipher: %w", err)
	}
	if aead, err = cipher.NewGCM(block); err != nil {
		return nil, nil, fmt.Errorf("make cipher: %w", err)
	}
	return aead, rest[9+sealSalt:], nil
}
