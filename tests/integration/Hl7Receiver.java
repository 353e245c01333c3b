// A department's interface made of HAPI HL7v2: takes messages over MLLP, reads each into the structure of its version, checks
// it, answers. Arguments: for each port one character encoding by which it listens, or "MSH-18" for what the message says
// itself. Prints "ready PORT..." and then a line of JSON for each message. What HAPI cannot read it answers itself (AR, AE); a
// report whose number begins with BAD is refused the first time.
import ca.uhn.hl7v2.AcknowledgmentCode;
import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.model.Segment;
import ca.uhn.hl7v2.llp.MinLowerLayerProtocol;
import ca.uhn.hl7v2.parser.UnexpectedSegmentBehaviourEnum;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.protocol.ReceivingApplicationExceptionHandler;
import ca.uhn.hl7v2.util.Terser;
import ca.uhn.hl7v2.validation.builder.support.DefaultValidationBuilder;
import java.net.ServerSocket;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.io.PrintStream;
import java.util.*;

public class Hl7Receiver {
  static final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static final Set<String> refused = new HashSet<>();

  static String json(Map<String, String> fields) {
    var text = new StringJoiner(", ", "{", "}");
    fields.forEach((name, value) -> text.add('"' + name + "\": \"" + (value == null ? "" : value.replace("\\", "\\\\").replace("\"", "\\\"")) + '"'));
    return text.toString();
  }

  // Whatever the structure: HAPI has already refused segments that are not in it.
  static String items(Message message) throws HL7Exception {
    var found = new StringJoiner(" ");
    if (!message.getName().startsWith("ORU")) return "";
    for (int i = 0; ; i++) {
      var path = "/PATIENT_RESULT/ORDER_OBSERVATION/OBSERVATION(" + i + ")/OBX";
      var terser = new Terser(message);
      if (terser.get(path + "-1") == null) return found.toString();
      var value = message.getVersion().equals("2.4")
          ? ((ca.uhn.hl7v2.model.v24.segment.OBX) (Segment) terser.getSegment(path)).getObx5_ObservationValue(0).getData()
          : ((ca.uhn.hl7v2.model.v251.segment.OBX) (Segment) terser.getSegment(path)).getObx5_ObservationValue(0).getData();
      found.add(terser.get(path + "-3-2") + "=" + value.encode() + ":" + value.getClass().getSimpleName());
    }
  }

  static class Department implements ReceivingApplication<Message>, ReceivingApplicationExceptionHandler {
    public boolean canProcess(Message message) {
      return true;
    }
    public Message processMessage(Message message, Map<String, Object> metadata) throws HL7Exception {
      try {
        var terser = new Terser(message);
        boolean result = message.getName().startsWith("ORU");
        var pid = result ? "/PATIENT_RESULT/PATIENT/PID" : message.getName().startsWith("ADT_A39") ? "/PATIENT/PID" : "/PID";
        var report = result ? terser.get("/PATIENT_RESULT/ORDER_OBSERVATION/OBR-3") : "";
        boolean no = report != null && report.startsWith("BAD") && refused.add(report + message.getVersion());
        var said = new LinkedHashMap<String, String>();
        said.put("structure", message.getName());
        said.put("event", terser.get("/MSH-9-1") + "^" + terser.get("/MSH-9-2"));
        said.put("version", message.getVersion());
        said.put("charset", terser.get("/MSH-18"));
        said.put("control", terser.get("/MSH-10"));
        said.put("patient", terser.get(pid + "-3-1"));
        said.put("name", terser.get(pid + "-5-1") + "^" + terser.get(pid + "-5-2"));
        said.put("prior", message.getName().startsWith("ADT_A39") ? terser.get("/PATIENT/MRG-1-1") : "");
        said.put("report", report);
        said.put("status", result ? terser.get("/PATIENT_RESULT/ORDER_OBSERVATION/OBR-25") : "");
        said.put("items", items(message));
        said.put("answer", no ? "AE" : "AA");
        out.println(json(said));
        return no ? message.generateACK(AcknowledgmentCode.AE, new HL7Exception("not today")) : message.generateACK();
      } catch (java.io.IOException e) {
        throw new HL7Exception(e);
      }
    }
    // What could not be read or is not valid: said too, so that nothing passes unseen.
    public String processException(String incoming, Map<String, Object> metadata, String answer, Exception fault) {
      out.println(json(Map.of("fault", String.valueOf(fault.getMessage()).replaceAll("[\\r\\n]", " "))));
      return answer;
    }
  }

  public static void main(String[] encodings) throws Exception {
    var ports = new StringJoiner(" ");
    for (var encoding : encodings) {
      int port;
      try (var free = new ServerSocket(0)) {
        port = free.getLocalPort();
      }
      var context = new DefaultHapiContext();
      context.getParserConfiguration().setUnexpectedSegmentBehaviour(UnexpectedSegmentBehaviourEnum.THROW_HL7_EXCEPTION);
      context.setValidationRuleBuilder(new DefaultValidationBuilder());
      var protocol = new MinLowerLayerProtocol(encoding.equals("MSH-18"));
      if (!encoding.equals("MSH-18")) protocol.setCharset(Charset.forName(encoding));
      context.setLowerLayerProtocol(protocol);
      var server = context.newServer(port, false);
      var department = new Department();
      server.registerApplication(department);
      server.setExceptionHandler(department);
      server.startAndWait();
      ports.add(String.valueOf(port));
    }
    out.println("ready " + ports);
  }
}
