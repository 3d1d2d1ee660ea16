/// Why a machine cannot be had: a stable code, what is wrong with which value, and what to do.
public struct TopologyError: Error, Sendable, Equatable {
  /// Codes never change their meaning. `kmemu explain CODE` prints `explanation`.
  public enum Code: String, Sendable, CaseIterable {
    case fileMissing = "T101"
    case notAFile = "T102"
    case unreadable = "T103"
    case notHwlocXML = "T104"
    case xmlVersion = "T105"
    case fileTooLarge = "T106"
    case inconsistentXML = "T107"
    case badSynthetic = "T108"
    case noCPUs = "T109"
    case tooManyCPUs = "T110"
    case tooManyNodes = "T111"
    case tooMuchMemory = "T112"
    case badCPUList = "T113"
    case cpusOutOfRange = "T114"
    case hostUnreadable = "T115"
    case memoryTooSmall = "T116"
  }

  public var code: Code
  /// What is wrong, with the offending name or number in it. No full stop.
  public var message: String
  /// What to do about it: a sentence or a command.
  public var hint: String

  public init(_ code: Code, _ message: String, hint: String) {
    (self.code, self.message, self.hint) = (code, message, hint)
  }
}

extension TopologyError: CustomStringConvertible {
  public var description: String { "\(code.rawValue): \(message) (\(hint))" }
}

extension TopologyError.Code {
  /// The long answer: when the error comes and what the rule behind it is.
  public var explanation: String {
    switch self {
    case .fileMissing:
      "A machine is named by `host`, by an hwloc XML file, or by an hwloc synthetic string. What "
        + "ends in .xml or holds a slash is taken for a file, and no such file exists."
    case .notAFile:
      "The path names a directory, a device or a socket; an hwloc XML file is a regular file or "
        + "a pipe."
    case .unreadable:
      "The file exists and the system refuses to hand it out: mostly a matter of permissions."
    case .notHwlocXML:
      "The file does not begin like the XML that `lstopo machine.xml` writes, or its elements do "
        + "not nest. The line in the message is where reading ended."
    case .xmlVersion:
      "Formats 2.x of hwloc are read. hwloc 3 writes format 3.0 by default and 2.x on request: "
        + "`lstopo -i in.xml --export-xml-flags v2 out.xml`. Format 1.x is turned into 2.x by "
        + "any lstopo of hwloc 2: `lstopo -i in.xml out.xml`."
    case .fileTooLarge:
      "Topology files hold about a kilobyte for each CPU and cache; the limit leaves room for "
        + "\(Limits.cpusMax) CPUs with all their I/O devices."
    case .inconsistentXML:
      "The file is XML, but it describes no machine: a CPU twice, a cache outside of the package "
        + "it is in, a set of CPUs that is missing or malformed."
    case .badSynthetic:
      "hwloc synthetic strings list levels from the outside in, each with how many of it the "
        + "level above holds: \"package:2 numa:2 l3:4 core:8 pu:2\". The last level is pu. Memory "
        + "and sizes go in parentheses: \"package:2 [numa(memory=64GiB)] l3:1(size=32MiB) pu:8\". "
        + "GB is decimal there, GiB binary."
    case .noCPUs:
      "After taking away what is offline or disallowed, no CPU or no NUMA node is left."
    case .tooManyCPUs:
      "A machine has at most \(Limits.cpusMax) CPUs: the event queue's key has room for two "
        + "leaves of each beside the time."
    case .tooManyNodes:
      "A machine has at most \(Limits.nodesMax) NUMA nodes."
    case .tooMuchMemory:
      "A machine has at most \(Limits.memoryMax >> 40) TiB of memory: page frames are numbered "
        + "with 31 bits."
    case .badCPUList:
      "CPU lists are written as the kernel writes them: \"0-3,8\"; \"0-15:2/4\" is the first two "
        + "of every four."
    case .cpusOutOfRange:
      "`--cpus N` keeps the first N CPUs by their OS numbers, so N lies between one and the CPUs "
        + "that the machine has."
    case .hostUnreadable:
      "hwloc could not read this host's topology from /sys, or an HWLOC_ variable in the "
        + "environment points it elsewhere."
    case .memoryTooSmall:
      "Memory is spread evenly over the nodes in whole MiB, so each needs one at least."
    }
  }
}
