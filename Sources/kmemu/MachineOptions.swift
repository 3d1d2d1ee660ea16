import HostTopology
import Topology

/// A machine from the command line, with its errors told as they should be.
enum MachineOptions {
  /// - Parameters:
  ///   - name: host, a file or a synthetic string.
  ///   - cpus: how many of its CPUs to keep, all if nil.
  /// - Throws: an exit, after saying why on stderr.
  static func describe(_ name: String, cpus: Int? = nil) throws -> MachineDescription {
    do {
      let machine = try HostTopology.describe(MachineSource.parse(name))
      return if let cpus { try machine.restricted(toFirst: cpus) } else { machine }
    } catch {
      throw Console.failure(
        code: error.code.rawValue, error.message, hint: error.hint, status(of: error.code))
    }
  }

  private static func status(of code: TopologyError.Code) -> ExitStatus {
    switch code {
    case .fileMissing, .notAFile, .unreadable: .missingInput
    case .hostUnreadable: .inputOutput
    case .badCPUList, .cpusOutOfRange: .usage
    case .notHwlocXML, .xmlVersion, .fileTooLarge, .inconsistentXML, .badSynthetic, .noCPUs,
      .tooManyCPUs, .tooManyNodes, .tooMuchMemory, .memoryTooSmall:
      .badData
    }
  }
}
