// Three facilities that refer a patient to each other through HAPI FHIR's own client: a transaction, reads, searches, PUTs
// with If-Match, and what is refused. Arguments: address, Patient's id, DiagnosticReport's id, and for each facility
// CODE=TOKEN. Prints what it saw as JSON. Every resource is read strictly: an element that R4 does not have is an error.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.StrictErrorHandler;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.api.ServerValidationModeEnum;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.BaseServerResponseException;
import java.util.*;
import org.hl7.fhir.r4.model.*;

public class ReferralClient {
  static final FhirContext r4 = FhirContext.forR4();
  static final Map<String, IGenericClient> clients = new HashMap<>();
  static final List<String> seen = new ArrayList<>();
  static String report;

  static Task read(String who, String id) {
    return clients.get(who).read().resource(Task.class).withId(id).execute();
  }
  static String status(Task task) {
    return task.getStatus().toCode() + "/" + task.getBusinessStatus().getCodingFirstRep().getCode();
  }
  static void see(Task task) {
    seen.add(status(task) + " " + task.getOwner().getReference() + " v" + task.getMeta().getVersionId());
  }
  static Task.ParameterComponent input(String code, Type value) {
    var made = new Task.ParameterComponent();
    made.getType().addCoding().setSystem("urn:hutong:referral-detail").setCode(code);
    return made.setValue(value);
  }
  static Task.TaskOutputComponent output(String code, Type value) {
    var made = new Task.TaskOutputComponent();
    made.getType().addCoding().setSystem("urn:hutong:referral-detail").setCode(code);
    return made.setValue(value);
  }
  static Task business(Task task, String code) {
    task.getBusinessStatus().getCodingFirstRep().setCode(code).setDisplay(null);
    return task;
  }
  // What a client does that has read a Task: changes it and puts it back for the version that it saw.
  static Task put(String who, Task task) {
    MethodOutcome outcome = clients.get(who).update().resource(task).withId(task.getIdElement().getIdPart())
        .withAdditionalHeader("If-Match", "W/\"" + task.getMeta().getVersionId() + "\"").execute();
    var now = (Task) outcome.getResource();
    see(now);
    return now;
  }
  static String refused(Runnable action) {
    try {
      action.run();
      return "not refused";
    } catch (BaseServerResponseException e) {
      var outcome = (OperationOutcome) e.getOperationOutcome();
      return e.getStatusCode() + " " + outcome.getIssueFirstRep().getDiagnostics().split(":")[0];
    }
  }

  static ServiceRequest request(String number, String from, String to, String patient) {
    var made = new ServiceRequest();
    made.setStatus(ServiceRequest.ServiceRequestStatus.ACTIVE).setIntent(ServiceRequest.ServiceRequestIntent.ORDER);
    made.addIdentifier().setSystem("urn:example:" + from).setValue(number);
    made.getCode().addCoding().setSystem("http://snomed.info/sct").setCode("3457005");
    made.setSubject(new Reference("Patient/" + patient)).setRequester(new Reference("Organization/" + from));
    made.addPerformer(new Reference("Organization/" + to));
    made.addReasonCode().setText("胸痛待查");
    return made;
  }
  static Task task(String focus, String from, String to) {
    var made = new Task();
    made.setStatus(Task.TaskStatus.REQUESTED).setIntent(Task.TaskIntent.ORDER).setFocus(new Reference(focus));
    made.setRequester(new Reference("Organization/" + from)).setOwner(new Reference("Organization/" + to));
    made.addInput(input("choice", new CodeType("agreed")));
    return made;
  }

  public static void main(String[] arguments) {
    r4.setParserErrorHandler(new StrictErrorHandler());
    r4.getRestfulClientFactory().setServerValidationMode(ServerValidationModeEnum.ONCE);
    for (int i = 3; i < arguments.length; ++i) {
      var parts = arguments[i].split("=", 2);
      var client = r4.newRestfulGenericClient(arguments[0] + "/fhir");
      client.registerInterceptor(new BearerTokenAuthInterceptor(parts[1]));
      clients.put(parts[0], client);
    }
    final String patient = arguments[1];
    report = arguments[2];

    // Asked for: both resources at once.
    var asked = request("HAPI-1", "cc-east", "bc-county", patient).setPriority(ServiceRequest.ServiceRequestPriority.URGENT);
    asked.addSupportingInfo(new Reference("DiagnosticReport/" + report));
    var bundle = new Bundle().setType(Bundle.BundleType.TRANSACTION);
    bundle.addEntry().setFullUrl("urn:uuid:7b1e3c1e-0000-4000-8000-000000000001").setResource(asked).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("ServiceRequest");
    bundle.addEntry().setResource(task("urn:uuid:7b1e3c1e-0000-4000-8000-000000000001", "cc-east", "bc-county")).getRequest()
        .setMethod(Bundle.HTTPVerb.POST).setUrl("Task");
    var made = clients.get("cc-east").transaction().withBundle(bundle).execute();
    seen.add(made.getType().toCode() + " " + made.getEntry().get(0).getResponse().getStatus() + " " + made.getEntry().get(1).getResponse().getStatus());
    final String id = ((Task) made.getEntry().get(1).getResource()).getIdElement().getIdPart();
    see(read("cc-east", id));
    var content = clients.get("bc-county").read().resource(ServiceRequest.class).withId(id).execute();
    seen.add(content.getPriority().toCode() + " " + content.getReasonCodeFirstRep().getText() + " " + content.getSupportingInfoFirstRep().getReference());

    // The county hospital sees it among its own, says no and whom instead; the community asks that one.
    var waiting = clients.get("bc-county").search().forResource(Task.class).where(Task.OWNER.hasId("Organization/bc-county"))
        .and(Task.BUSINESS_STATUS.exactly().code("requested")).include(Task.INCLUDE_FOCUS).returnBundle(Bundle.class).execute();
    seen.add("found " + waiting.getEntry().stream().map(e -> e.getResource().fhirType()).toList());
    var first = read("bc-county", id);
    var declined = business(first.copy(), "declined");
    declined.getStatusReason().setText("无床位");
    declined.addOutput(output("proposed-receiver", new Reference("Organization/bc-city")));
    put("bc-county", declined);
    seen.add("stale " + refused(() -> put("bc-county", business(first.copy(), "received"))));
    seen.add("not a party " + refused(() -> read("cc-west", id)));
    var turned = read("cc-east", id);
    seen.add("proposed " + ((Reference) turned.getOutputFirstRep().getValue()).getReference());
    turned.setOwner(new Reference("Organization/bc-city"));
    turned.getStatusReason().setText("县医院无床位");
    seen.add("not asked " + refused(() -> put("cc-east", turned.copy())));
    turned.addInput(input("choice", new CodeType("agreed")));
    put("cc-east", turned);
    seen.add("lost " + refused(() -> read("bc-county", id)));

    // The city hospital takes the patient.
    var open = read("bc-city", id);
    seen.add("due " + (open.getRestriction().getPeriod().getEnd() != null));
    seen.add("no slot " + refused(() -> put("bc-city", business(open.copy(), "accepted"))));
    open.addOutput(output("slot", new Period().setStartElement(new DateTimeType("2026-12-01T08:00:00+08:00"))
        .setEndElement(new DateTimeType("2026-12-01T09:00:00+08:00"))));
    open.addOutput(output("slot-place", new StringType("3 床")));
    var accepted = put("bc-city", open.setStatus(Task.TaskStatus.ACCEPTED));
    accepted.getExecutionPeriod().setStartElement(new DateTimeType("2026-12-01T08:10:00+08:00"));
    var there = put("bc-city", accepted.setStatus(Task.TaskStatus.INPROGRESS));
    there.addOutput(output("treatment-report", new Reference("DocumentReference/45c48cce2e2d7fbdea1afc51c7c6ad26")));
    var reported = put("bc-city", there);
    seen.add("nobody below " + refused(() -> put("bc-city", reported.copy().setStatus(Task.TaskStatus.COMPLETED))));

    // Sent down, as a Task with its request inside.
    var down = task("#r", "bc-city", "cc-east");
    var below = request("HAPI-2", "bc-city", "cc-east", patient);
    below.setId("r");
    below.addBasedOn(new Reference("ServiceRequest/" + id));
    down.addContained(below);
    var created = clients.get("bc-city").create().resource(down).execute();
    seen.add("created " + created.getCreated());
    var taken = read("cc-east", created.getId().getIdPart());
    taken.addOutput(output("slot", new Period().setStartElement(new DateTimeType("2026-12-09T08:00:00+08:00"))
        .setEndElement(new DateTimeType("2026-12-09T09:00:00+08:00"))));
    put("cc-east", business(taken, "accepted"));
    var closed = read("cc-east", id);
    for (int i = 0; i < 100 && !status(closed).equals("completed/closed"); ++i) {
      try {
        Thread.sleep(50);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
      closed = read("cc-east", id);
    }
    see(closed);
    var gone = clients.get("bc-city").search().byUrl("Task?requester=Organization/cc-east&status=completed&direction=up&overdue=false").returnBundle(Bundle.class).execute();
    seen.add("closed ones " + gone.getTotal());
    var states = clients.get("cc-west").read().resource(CodeSystem.class).withId("referral-state").execute();
    seen.add("states " + states.getConcept().size() + " " + states.getConceptFirstRep().getDesignationFirstRep().getValue());

    System.out.println(new com.fasterxml.jackson.databind.json.JsonMapper().createArrayNode().addAll(
        seen.stream().map(text -> (com.fasterxml.jackson.databind.JsonNode) com.fasterxml.jackson.databind.node.TextNode.valueOf(text)).toList()));
  }
}
