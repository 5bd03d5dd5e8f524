package etf

// Version is the byte that starts every term made by term_to_binary/1.
const Version = 131

// The tags, with the names of the ERTS user's guide.
const (
	tagDistHeader     = 68
	tagDistFragment   = 69
	tagNewFloat       = 70
	tagBitBinary      = 77
	tagCompressed     = 80
	tagAtomCacheRef   = 82
	tagNewPid         = 88
	tagNewPort        = 89
	tagNewerReference = 90
	tagSmallInteger   = 97
	tagInteger        = 98
	tagFloat          = 99
	tagAtom           = 100
	tagReference      = 101
	tagPort           = 102
	tagPid            = 103
	tagSmallTuple     = 104
	tagLargeTuple     = 105
	tagNil            = 106
	tagString         = 107
	tagList           = 108
	tagBinary         = 109
	tagSmallBig       = 110
	tagLargeBig       = 111
	tagNewFun         = 112
	tagExport         = 113
	tagNewReference   = 114
	tagSmallAtom      = 115
	tagMap            = 116
	tagFun            = 117
	tagAtomUTF8       = 118
	tagSmallAtomUTF8  = 119
	tagV4Port         = 120
	tagLocal          = 121

	// Names of erts/emulator/beam/external.h; the guide has no word of them any more.
	tagCachedAtom = 67
	tagNewCache   = 78
)

// Kind is the class of a term.
type Kind uint8

// The classes of terms.
const (
	KindInvalid   Kind = iota // no term, or one that is refused
	KindInt                   // an integer of any size
	KindFloat                 // a float, as 8 bytes or as text
	KindAtom                  // an atom, Latin-1 or UTF-8
	KindTuple                 // a tuple
	KindList                  // a list that is not empty, proper or not
	KindNil                   // the empty list
	KindString                // a list of bytes, sent as bytes
	KindBinary                // a binary
	KindBitBinary             // a bit string
	KindMap                   // a map
	KindPid                   // a process identifier
	KindPort                  // a port identifier
	KindRef                   // a reference
	KindFun                   // a fun with its environment
	KindExport                // fun M:F/A
)

// A shape says how a term is laid out: the tag, a count of width bytes, atoms, fixed
// bytes, then unit bytes and terms terms for each one counted.
type shape struct {
	kind   Kind
	width  uint8
	atoms  uint8
	fixed  uint8
	unit   uint8
	terms  uint8
	refuse error // why there is no such term
}

// shapes is indexed by tag. Funs and exports have parts that no row can describe
// ([Decoder.skipFun]); a list has its tail besides.
var shapes = func() (t [256]shape) {
	for i := range t {
		t[i].refuse = ErrTag
	}
	for tag, s := range map[byte]shape{
		tagSmallInteger:   {kind: KindInt, fixed: 1},
		tagInteger:        {kind: KindInt, fixed: 4},
		tagSmallBig:       {kind: KindInt, width: 1, fixed: 1, unit: 1},
		tagLargeBig:       {kind: KindInt, width: 4, fixed: 1, unit: 1},
		tagNewFloat:       {kind: KindFloat, fixed: 8},
		tagFloat:          {kind: KindFloat, fixed: oldFloatSize},
		tagAtom:           {kind: KindAtom, width: 2, unit: 1},
		tagSmallAtom:      {kind: KindAtom, width: 1, unit: 1},
		tagAtomUTF8:       {kind: KindAtom, width: 2, unit: 1},
		tagSmallAtomUTF8:  {kind: KindAtom, width: 1, unit: 1},
		tagSmallTuple:     {kind: KindTuple, width: 1, terms: 1},
		tagLargeTuple:     {kind: KindTuple, width: 4, terms: 1},
		tagList:           {kind: KindList, width: 4, terms: 1},
		tagNil:            {kind: KindNil},
		tagString:         {kind: KindString, width: 2, unit: 1},
		tagBinary:         {kind: KindBinary, width: 4, unit: 1},
		tagBitBinary:      {kind: KindBitBinary, width: 4, fixed: 1, unit: 1},
		tagMap:            {kind: KindMap, width: 4, terms: 2},
		tagPid:            {kind: KindPid, atoms: 1, fixed: 9},
		tagNewPid:         {kind: KindPid, atoms: 1, fixed: 12},
		tagPort:           {kind: KindPort, atoms: 1, fixed: 5},
		tagNewPort:        {kind: KindPort, atoms: 1, fixed: 8},
		tagV4Port:         {kind: KindPort, atoms: 1, fixed: 12},
		tagReference:      {kind: KindRef, atoms: 1, fixed: 5},
		tagNewReference:   {kind: KindRef, width: 2, atoms: 1, fixed: 1, unit: 4},
		tagNewerReference: {kind: KindRef, width: 2, atoms: 1, fixed: 4, unit: 4},
		tagNewFun:         {kind: KindFun},
		tagExport:         {kind: KindExport, atoms: 2},
		tagCompressed:     {refuse: ErrCompressed},
		tagLocal:          {refuse: ErrLocal},
		tagAtomCacheRef:   {refuse: ErrAtomCache},
		tagCachedAtom:     {refuse: ErrAtomCache},
		tagNewCache:       {refuse: ErrAtomCache},
		tagDistHeader:     {refuse: ErrAtomCache},
		tagDistFragment:   {refuse: ErrAtomCache},
	} {
		t[tag] = s
	}
	return t
}()
