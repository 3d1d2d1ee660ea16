/// Why a recording cannot be compared: a stable code, where it is, what is wrong, what to do.
package struct RecordingError: Error, Sendable, Equatable {
  /// Codes never change their meaning. `kmemu explain CODE` prints `explanation`.
  package enum Code: String, Sendable, CaseIterable {
    case fileMissing = "V101"
    case unreadable = "V102"
    case badGzip = "V103"
    case tooLarge = "V104"
    case unknownKind = "V105"
    case nothingToCompare = "V106"
    case badList = "V107"
    case badOperation = "V108"
    case badParameters = "V109"
    case badZoneInfo = "V110"
    case badNodes = "V111"
    case kernelUnknown = "V112"
    case machineUnknown = "V113"
    case impossible = "V114"
  }

  package var code: Code
  package var file: String
  /// The line it is on, from 1; 0 where the file as a whole is meant.
  package var line: Int
  /// What was found and what was expected. No full stop.
  package var message: String
  package var hint: String

  package init(
    _ code: Code, file: String, line: Int = 0, _ message: String, hint: String
  ) {
    (self.code, self.file, self.line) = (code, file, line)
    (self.message, self.hint) = (message, hint)
  }

  /// `slab_fill.vec:12`, or the file alone.
  package var place: String { line > 0 ? "\(file):\(line)" : file }
}

extension RecordingError.Code {
  /// The long answer: when the error comes and what the rule behind it is.
  package var explanation: String {
    switch self {
    case .fileMissing:
      "`kmemu verify` reads operation lists (.vec), slab_params.csv, zoneinfo, or folders of "
        + "them; what was named does not exist. A .gz of the same name is taken too."
    case .unreadable: "The file exists and the system refuses to hand it out."
    case .badGzip: "The file ends in .gz and is no gzip stream, or the stream is damaged."
    case .tooLarge:
      "Recordings hold a line for each figure; files above \(RecordingLimits.bytesMax >> 20) MiB "
        + "are refused so that a wrong file name does not fill the memory."
    case .unknownKind:
      "What a file holds is told by its name: *.vec is an operation list, slab_params*.csv has the "
        + "parameters of caches, zoneinfo* the parameters of zones. Each may end in .gz."
    case .nothingToCompare: "The folder holds no recording of a kind that can be compared."
    case .badList:
      "An operation list has comment lines (#), operations (`op 2 alloc cpu=2 …`) and below each "
        + "the figures a kernel answered with: ` = key value`, or ` ~ key a | b | c` where boots "
        + "differ. The second comment names kernel, CPUs, nodes and memory."
    case .badOperation:
      "The operation lacks a field it needs, or a field has a value that it cannot have: a "
        + "number out of range, a CPU the machine does not have, a set or cache nobody made."
    case .badParameters:
      "slab_params.csv begins with a line of column names; name, object_size, slab_size, "
        + "objs_per_slab, order, cpu_partial, min_partial, align, hwcache_align, destroy_by_rcu "
        + "and ctor are used, and every row has as many cells."
    case .badZoneInfo:
      "zoneinfo is the text of /proc/zoneinfo: `Node 0, zone DMA32`, the zone's pages and marks, "
        + "then `pagesets` with a few lines for each CPU."
    case .badNodes:
      "nodes.txt has a line for each node: `node0 cpus 0-3 distance 10 20`. Nodes count from 0, "
        + "every CPU is on one of them, and a node is at distance 10 from itself."
    case .kernelUnknown:
      "A recording is compared with the release it was made on, which its header names, or with "
        + "that of --kernel. `kmemu list kernels` says which releases are emulated."
    case .machineUnknown:
      "A recorded boot is compared on the machine it was made on, and neither nodes.txt beside "
        + "the file nor the header nor the folder's name (6.12-8c2n) says how many CPUs and nodes "
        + "that one had. --machine-dir names a folder with a nodes.txt."
    case .impossible:
      "The emulated machine could not be built or could not go on: too many operations, a "
        + "deadlock, or sizes beyond a limit."
    }
  }
}

/// What a recording may be like. A file beyond has an error that names the limit.
package enum RecordingLimits {
  /// Unit: bytes, after unpacking.
  package static let bytesMax = 64 << 20
  package static let operationsMax = 100_000
  /// Objects of one operation, and of all sets together.
  package static let objectsMax = 4 << 20
  /// Unit: milliseconds of emulated time a `settle` may wait.
  package static let settleMax = 600_000
}

/// The lines of a text with their numbers, from 1. A carriage return at an end is dropped.
struct TextLines: Sequence {
  let text: String
  func makeIterator() -> AnyIterator<(number: Int, text: Substring)> {
    var rest = text[...]
    var number = 0
    return AnyIterator {
      guard !rest.isEmpty else { return nil }
      number += 1
      let line = rest.prefix { !$0.isNewline }
      rest = rest.dropFirst(line.count + 1)
      return (number, line)
    }
  }
}
