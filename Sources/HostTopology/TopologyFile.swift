import Foundation
import Topology

/// An hwloc XML file: read, and cleaned into something that hwloc takes without falling over.
///
/// hwloc 2.9 trusts its input: a set of CPUs that is missing or a node that is no subset of its
/// parent ends the process. So a file is parsed and checked here, and what is passed on holds
/// checked objects and distances only, in the form hwloc itself writes.
struct TopologyFile {
  let name: String
  let bytes: [UInt8]

  /// Reads a regular file or a pipe.
  static func read(_ path: String) throws(TopologyError) -> TopologyFile {
    let attributes: [FileAttributeKey: Any]
    do {
      // Of a symbolic link, what it leads to.
      let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
      attributes = try FileManager.default.attributesOfItem(atPath: target)
    } catch {
      throw TopologyError(
        .fileMissing, "there is no file \(path)",
        hint: "a machine is `host`, an hwloc XML file, or a synthetic string such as "
          + "\"package:2 core:8 pu:2\"")
    }
    let type = attributes[.type] as? FileAttributeType
    guard
      type == .typeRegular || type == .typeUnknown || path.hasPrefix("/dev/stdin")
        || path.hasPrefix("/dev/fd/") || path.hasPrefix("/proc/self/fd/")
    else {
      throw TopologyError(
        .notAFile, "\(path) is \(Self.article(type)), not a file",
        hint: "name a file that `lstopo machine.xml` wrote")
    }
    let data: Data
    do {
      let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      data = try handle.read(upToCount: Limits.topologyFileBytesMax + 1) ?? Data()
    } catch {
      let isAllowed = FileManager.default.isReadableFile(atPath: path)
      throw TopologyError(
        .unreadable,
        "\(path) cannot be read: "
          + (isAllowed ? error.localizedDescription : "permission denied"),
        hint: isAllowed ? "look at the disk it lies on" : "`chmod +r \(path)` lets you read it")
    }
    guard data.count <= Limits.topologyFileBytesMax else {
      throw TopologyError(
        .fileTooLarge,
        "\(path) is larger than the limit of \(Limits.topologyFileBytesMax >> 20) MiB",
        hint: "write it without I/O devices: `lstopo -i in.xml --no-io out.xml`")
    }
    return TopologyFile(name: path, bytes: Array(data))
  }

  private static func article(_ type: FileAttributeType?) -> String {
    switch type {
    case .typeDirectory: "a directory"
    case .typeSocket: "a socket"
    default: "a device"
    }
  }

  /// The file as hwloc may see it, with the zero byte that it wants at the end.
  ///
  /// - Complexity: O(bytes).
  func cleaned() throws(TopologyError) -> [UInt8] {
    guard bytes.starts(with: "<".utf8) || bytes.starts(with: [0xEF, 0xBB, 0xBF]) else {
      throw notHwloc(bytes.isEmpty ? "it is empty" : "it does not begin with <?xml or <topology")
    }
    var reader = TopologyXMLReader(bytes)
    do {
      return try reader.read()
    } catch {
      switch error {
      case .malformed(let malformed):
        throw notHwloc("line \(malformed.line): \(malformed.reason)")
      case .version(let version):
        throw oldOrNew(version)
      case .inconsistent(let line, let reason):
        throw TopologyError(
          .inconsistentXML, "\(name), line \(line): \(reason)",
          hint: "make the file anew with `lstopo machine.xml`")
      }
    }
  }

  private func notHwloc(_ reason: String) -> TopologyError {
    TopologyError(
      .notHwlocXML, "\(name) is no hwloc XML: \(reason)",
      hint: "write one with `lstopo machine.xml` on the machine to emulate")
  }

  private func oldOrNew(_ version: String) -> TopologyError {
    let isNew = (Int(version.prefix { $0 != "." }) ?? 0) >= 3
    return TopologyError(
      .xmlVersion, "\(name) has hwloc XML format \(version); formats 2.x are read",
      hint: isNew
        ? "convert it with lstopo of hwloc 3: `lstopo -i \(name) --export-xml-flags v2 out.xml`"
        : "convert it with lstopo of hwloc 2: `lstopo -i \(name) out.xml`")
  }
}
