/// How far the emulated kernel's answers equal the recorded ones.
package struct VerifyResult: Sendable, Equatable {
  package var files: [FileAgreement]
  package init(files: [FileAgreement]) { self.files = files }

  package var figures: Int { files.reduce(0) { $0 + $1.figures } }
  package var agree: Int { files.reduce(0) { $0 + $1.agree } }
  package var varying: Int { files.reduce(0) { $0 + $1.varying } }
  package var varyingInRange: Int { files.reduce(0) { $0 + $1.varyingInRange } }
  package var differ: Int { figures - agree }
  /// Files that ask for what is not emulated.
  package var unsupported: [FileAgreement] { files.filter { $0.unsupported != nil } }
}

/// The comparison of one file.
package struct FileAgreement: Sendable, Equatable {
  package var file: String
  /// What it is: `operations`, `cache parameters`, `zone parameters`.
  package var kind: Kind
  /// The release it was compared with, and on what machine.
  package var kernel: String
  package var machine: String
  package var groups: [GroupAgreement] = []
  package var varying = 0
  package var varyingInRange = 0
  package var differences: [FigureDifference] = []
  /// Values that vary between boots and do not contain ours.
  package var outOfRange: [FigureDifference] = []
  package var notes: [String] = []
  /// The operation that is not emulated; the file's figures then count for nothing.
  package var unsupported: Unsupported?

  package enum Kind: String, Sendable { case operations, caches, zones }
  package struct Unsupported: Sendable, Equatable {
    package var line: Int
    package var operation: String
    package init(line: Int, operation: String) { (self.line, self.operation) = (line, operation) }
  }

  package init(file: String, kind: Kind, kernel: String, machine: String) {
    (self.file, self.kind, self.kernel, self.machine) = (file, kind, kernel, machine)
  }

  package var figures: Int { groups.reduce(0) { $0 + $1.figures } }
  package var agree: Int { groups.reduce(0) { $0 + $1.agree } }

  /// Counts a figure of the recording, and notes it where it differs.
  mutating func compare(_ figure: FigureDifference, group: String) {
    let place = groups.firstIndex { $0.name == group } ?? groups.count
    if place == groups.count { groups.append(GroupAgreement(name: group)) }
    groups[place].figures += 1
    if figure.recorded == figure.emulated {
      groups[place].agree += 1
    } else {
      differences.append(figure)
    }
  }

  /// Counts a value that depends on the boot.
  mutating func compareVarying(_ figure: FigureDifference, isInRange: Bool) {
    varying += 1
    if isInRange { varyingInRange += 1 } else { outOfRange.append(figure) }
  }
}

/// Figures of one kind: `slab`, `ev.page_alloc`, `watermarks`.
package struct GroupAgreement: Sendable, Equatable {
  package var name: String
  package var figures = 0
  package var agree = 0
}

/// One figure as the kernel and as the emulator answered it.
package struct FigureDifference: Sendable, Equatable {
  package var line: Int
  /// The operation, cache or zone it belongs to.
  package var subject: String
  package var key: String
  package var recorded: String
  package var emulated: String
}
