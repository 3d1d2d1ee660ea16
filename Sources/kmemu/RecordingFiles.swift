import Foundation
import Run

/// Finds and reads what `kmemu verify` is given: files, and folders of them.
enum RecordingFiles {
  /// The recordings that a path names, in the order of their names.
  static func find(_ path: String) throws(RecordingError) -> [String] {
    guard FileManager.default.fileExists(atPath: path) else {
      if FileManager.default.fileExists(atPath: path + ".gz") { return [path + ".gz"] }
      throw RecordingError(
        .fileMissing, file: path, "there is no such file or folder", hint: "check the path")
    }
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
    guard attributes?[.type] as? FileAttributeType == .typeDirectory else { return [path] }
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
      throw RecordingError(
        .unreadable, file: path, "the folder cannot be read", hint: "check its permissions")
    }
    let base = path.hasSuffix("/") ? String(path.dropLast()) : path
    // In a folder only the zoneinfo whose marks were set anew is compared.
    let found = names.sorted().filter { name in
      guard let kind = Recording.kind(of: name) else { return false }
      return kind != .zones || name.hasPrefix("zoneinfo_refreshed")
    }
    guard !found.isEmpty else {
      throw RecordingError(
        .nothingToCompare, file: path, "the folder holds no recording",
        hint: "recordings are *.vec, slab_params*.csv and zoneinfo_refreshed*")
    }
    return found.map { base + "/" + $0 }
  }

  /// Reads one recording, with the machine's files from its own folder or from `machineFolder`.
  static func read(_ path: String, machineFolder: String?) throws(RecordingError) -> Recording {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().standardizedFileURL
    let beside = machineFolder ?? folder.path
    return Recording(
      file: path, text: try text(of: path), folderName: folder.lastPathComponent,
      nodes: try optionalText("nodes.txt", in: beside),
      sysctl: try optionalText("sysctl.txt", in: beside), config: try config(of: folder))
  }

  /// The kernel's .config that lies with a recording: in its folder, or beside the folder of a
  /// boot by the name of its kernel (`config_6.12.txt` beside `6.12-8c2n`).
  private static func config(of folder: URL) throws(RecordingError) -> String? {
    let kernel = folder.lastPathComponent.prefix { $0 != "-" }
    let places = [
      ("config.txt", folder), ("config_\(kernel).txt", folder),
      ("config_\(kernel).txt", folder.deletingLastPathComponent()),
    ]
    for (name, place) in places {
      if let text = try optionalText(name, in: place.path) { return text }
    }
    return nil
  }

  /// The text of a file of a folder, packed or not; nil where there is none.
  static func optionalText(_ name: String, in folder: String) throws(RecordingError) -> String? {
    for path in ["\(folder)/\(name)", "\(folder)/\(name).gz"]
    where FileManager.default.fileExists(atPath: path) {
      return try text(of: path)
    }
    return nil
  }

  static func text(of path: String) throws(RecordingError) -> String {
    let limit = RecordingLimits.bytesMax
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    if let size = attributes?[.size] as? Int, size > limit { throw tooLarge(path) }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw RecordingError(
        .unreadable, file: path, "the file cannot be read", hint: "check its permissions")
    }
    guard path.hasSuffix(".gz") else { return String(decoding: data, as: UTF8.self) }
    do {
      return String(decoding: try Gunzip.unpack(data, limit: limit), as: UTF8.self)
    } catch {
      throw error == .tooLarge
        ? tooLarge(path)
        : RecordingError(
          .badGzip, file: path, "the file is no gzip stream, or a damaged one",
          hint: "check it with `gzip -t`")
    }
  }

  private static func tooLarge(_ path: String) -> RecordingError {
    RecordingError(
      .tooLarge, file: path, "more than \(RecordingLimits.bytesMax >> 20) MiB",
      hint: "recordings are smaller: is it the right file?")
  }
}
