// A hospital system that speaks CDS Hooks through HAPI FHIR's own classes: discovery, order-select with two draft orders,
// feedback on both cards. Arguments: address, token, identity card, facility. Prints what it understood as JSON.
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.server.cdshooks.CdsServiceRequestJson;
import ca.uhn.hapi.fhir.cdshooks.api.json.*;
import ca.uhn.hapi.fhir.cdshooks.module.CdsHooksObjectMapperFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.deser.DeserializationProblemHandler;
import java.net.URI;
import java.net.http.*;
import java.time.Instant;
import java.util.*;
import org.hl7.fhir.r4.model.*;

public class CdsClient {
  static final HttpClient http = HttpClient.newHttpClient();
  static final Set<String> unknown = new TreeSet<>();
  static String address, token;

  static String ask(String path, String body) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(address + path)).header("Authorization", "Bearer " + token);
    if (body == null) {
      request.GET();
    } else {
      request.header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
    }
    var answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) throw new IllegalStateException(path + " answered " + answer.statusCode() + " " + answer.body());
    return answer.body();
  }

  static ServiceRequest draft(String id, String code) {
    var order = new ServiceRequest();
    order.setId(id);
    order.setStatus(ServiceRequest.ServiceRequestStatus.DRAFT).setIntent(ServiceRequest.ServiceRequestIntent.ORDER);
    order.setSubject(new Reference("Patient/1")).getCode().addCoding().setSystem("urn:local").setCode(code);
    return order;
  }

  public static void main(String[] arguments) throws Exception {
    address = arguments[0];
    token = arguments[1];
    // Members that HAPI's classes do not have are named, not passed over in silence.
    var strict = new ObjectMapper().configure(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES, true);
    strict.addHandler(new DeserializationProblemHandler() {
      @Override
      public boolean handleUnknownProperty(DeserializationContext context, JsonParser parser, JsonDeserializer<?> reader, Object of,
          String name) throws java.io.IOException {
        unknown.add(of.getClass().getSimpleName() + "." + name);
        parser.skipChildren();
        return true;
      }
    });
    var said = new LinkedHashMap<String, Object>();
    var services = strict.readValue(ask("/cds-services", null), CdsServicesJson.class).getServices();
    said.put("services", services.stream().map(s -> s.getHook() + " " + s.getId()).toList());
    said.put("prefetch", services.get(0).getPrefetch());

    var patient = new Patient();
    patient.setId("1");
    patient.addIdentifier().setSystem("urn:oid:2.16.156.10011.1.3").setValue(arguments[2]);
    var encounter = new Encounter();
    encounter.setId("2");
    encounter.getClass_().setCode("AMB");
    encounter.getServiceProvider().setReference("Organization/" + arguments[3]);
    var drafts = new Bundle().setType(Bundle.BundleType.COLLECTION);
    drafts.addEntry().setResource(draft("a", "GLU"));
    drafts.addEntry().setResource(draft("b", "K"));
    var request = new CdsServiceRequestJson();
    request.setHook("order-select").setHookInstance(UUID.randomUUID().toString());
    request.addContext("userId", "Practitioner/D07");
    request.addContext("patientId", "1");
    request.addContext("encounterId", "2");
    request.addContext("selections", List.of("ServiceRequest/a", "ServiceRequest/b"));
    request.addContext("draftOrders", drafts);
    request.addPrefetch("patient", patient);
    request.addPrefetch("encounter", encounter);
    var writer = new CdsHooksObjectMapperFactory(FhirContext.forR4Cached()).newMapper();
    var service = "/cds-services/" + services.get(0).getId();
    var cards = strict.readValue(ask(service, writer.writeValueAsString(request)), CdsServiceResponseJson.class).getCards();
    said.put("cards", cards.stream().map(card -> Map.of("uuid", UUID.fromString(card.getUuid()).version(), "summary", card.getSummary(),
        "indicator", card.getIndicator().name(), "source", card.getSource().getLabel(),
        "actions", card.getSuggestions().get(0).getActions().stream().map(CdsServiceResponseSuggestionActionJson::getType).toList(),
        "reasons", card.getOverrideReasons().size(), "links", card.getLinks().size())).toList());

    var accepted = new CdsServiceAcceptedSuggestionJson();
    accepted.setId(cards.get(0).getSuggestions().get(0).getUuid());
    var first = new CdsServiceFeedbackJson().setCard(cards.get(0).getUuid()).setOutcome(CdsServiceFeebackOutcomeEnum.accepted)
        .setAcceptedSuggestions(List.of(accepted)).setOutcomeTimestamp(Instant.now().toString());
    var why = new CdsServiceOverrideReasonJson();
    why.setReason(cards.get(1).getOverrideReasons().get(0));
    var second = new CdsServiceFeedbackJson().setCard(cards.get(1).getUuid()).setOutcome(CdsServiceFeebackOutcomeEnum.overridden)
        .setOverrideReason(why).setOutcomeTimestamp(Instant.now().toString());
    writer.setSerializationInclusion(com.fasterxml.jackson.annotation.JsonInclude.Include.NON_NULL);
    ask(service + "/feedback", writer.writeValueAsString(Map.of("feedback", List.of(first, second))));
    said.put("unknown", unknown);
    System.out.println(writer.writeValueAsString(said));
  }
}
