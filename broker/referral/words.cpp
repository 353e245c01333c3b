#include "broker/referral/words.h"

#include <array>

#include "broker/referral/transitions.h"

namespace hutong::referral {
namespace {

constexpr std::array<Words, model::referral_states> state_words = {{
    {"未申请", "not requested"},
    {"已申请", "requested"},
    {"已收到", "received"},
    {"已接受", "accepted"},
    {"已拒绝", "declined"},
    {"已改转", "redirected"},
    {"未到诊", "no-show"},
    {"已到诊", "arrived"},
    {"治疗中", "in treatment"},
    {"已回报", "report returned"},
    {"已结束", "closed"},
    {"已取消", "cancelled"},
    {"已过期", "expired"},
}};
constexpr std::array<Words, model::referral_actions> action_words = {{
    {"申请转诊", "request"},
    {"补充修改", "amend"},
    {"确认收到", "receive"},
    {"接受", "accept"},
    {"拒绝", "decline"},
    {"改转", "redirect"},
    {"取消", "cancel"},
    {"登记到诊", "record the arrival"},
    {"登记治疗", "record the treatment"},
    {"回报", "return the report"},
    {"结束", "close"},
    {"登记未到诊", "record a no-show"},
    {"提醒", "remind"},
    {"升级", "escalate"},
    {"过期", "expire"},
}};
constexpr std::array<Words, model::referral_roles> role_words = {{
    {"转出机构", "the sender"},
    {"接收机构", "the receiver"},
    {"值班协调", "the coordinator on duty"},
    {"系统时钟", "the clock"},
    {"关联转诊", "the linked referral"},
    {"无关机构", "another facility"},
}};
constexpr std::array<Words, waits> wait_words = {{
    {"待答复", "waiting for an answer"},
    {"待到诊", "waiting for the patient"},
    {"待处理", "waiting for the sender's decision"},
    {"待回报", "waiting for the report"},
    {"待结束", "waiting to be closed"},
}};
constexpr std::array<Words, model::refusals> refusal_words = {{
    {"没有这条转诊，请先发送转诊申请", "There is no such referral; send the request first"},
    {"这条转诊已经申请过，内容不同的请用补充修改，或用新的转诊单号",
     "This referral was requested already; amend it, or use a new number for another one"},
    {"贵机构不是这条转诊的当事方", "Your facility is no party of this referral"},
    {"转诊已有变化，请刷新后再操作", "The referral has changed since you read it; read it again and decide anew"},
    {"转诊已终结，不能再更改；患者到诊请新建转诊并直接登记到诊",
     "The referral has ended; for a patient who comes make a new one and record the arrival at once"},
    {"当前状态下不能这样做", "This cannot be done in the present state"},
    {"这一步不由该角色办理", "This is not for this role to do"},
    {"这条转诊的更改次数已达上限，只能到诊、回报或终结",
     "This referral was changed too often; it can only go on to arrival and report, or end"},
    {"缺少患者知情选择：本人同意、监护人同意，或（仅限危急）无法征询",
     "The patient's informed choice is missing: agreed, by-guardian, or (stat only) not-possible"},
    {"患者拒绝转诊，不予发送；拒绝已记录", "The patient refused: nothing is sent; the refusal is on record"},
    {"缺少接收机构", "The receiver is missing"},
    {"转出或接收机构未登记", "The sender or the receiver is not registered; see the facilities"},
    {"接收机构不能是转出机构或现接收机构", "The receiver must be neither the sender nor the present receiver"},
    {"转诊方向与两机构级别不符", "The direction does not agree with the levels of the two facilities"},
    {"两机构不在约定的转诊关系内，请说明理由", "These two have not agreed to refer to each other; say why it is done"},
    {"缺少医保转诊备案号", "The number of the insurance filing (医保转诊备案) is missing"},
    {"关联的转诊不存在、不是同一患者、或尚未被接受",
     "The linked referral is not there, of another patient or party, or nobody has accepted it yet"},
    {"缺少预约时段（开始、结束时间）", "The slot is missing (its start and end)"},
    {"预约时间未到，不能登记未到诊", "The slot has not begun yet: nobody can be a no-show"},
    {"缺少理由", "The reason is missing"},
    {"缺少回报文书", "The report that is returned is missing"},
    {"上转须待下转被接受后结束，无下转请说明理由",
     "An upward referral closes when its downward one is accepted; if there is none, say why"},
    {"期限未到", "The deadline has not passed"},
}};

}  // namespace

Words words(model::ReferralState state) {
  return state_words[static_cast<std::size_t>(state)];
}
Words words(model::ReferralAction action) {
  return action_words[static_cast<std::size_t>(action)];
}
Words words(model::ReferralRole role) {
  return role_words[static_cast<std::size_t>(role)];
}
Words words(Wait wait) {
  return wait_words[static_cast<std::size_t>(wait)];
}

Sentence explain(const model::ReferralAnswered& answered) {
  if (!answered.refusal) return {};
  const auto why = refusal_words[static_cast<std::size_t>(*answered.refusal)];
  Sentence said{std::string(why.zh), std::string(why.en)};
  if (*answered.refusal == model::Refusal::not_now || *answered.refusal == model::Refusal::not_yours) {
    const auto state = words(answered.from), action = words(answered.action), role = words(answered.role);
    said.zh = "“" + std::string(state.zh) + "”时" + std::string(role.zh) + "不能“" + std::string(action.zh) + "”";
    said.en = "While " + std::string(state.en) + ", " + std::string(role.en) + " cannot " + std::string(action.en);
    std::string zh, en;
    for (const auto legal : actions_of(answered.from, answered.role)) {
      zh += (zh.empty() ? "" : "、") + std::string(words(legal).zh);
      en += (en.empty() ? "" : ", ") + std::string(words(legal).en);
    }
    said.zh += zh.empty() ? "，现在没有可办的" : "，可以：" + zh;
    said.en += en.empty() ? "; there is nothing to do now" : "; possible: " + en;
  }
  said.zh += "。";
  said.en += ".";
  return said;
}

}  // namespace hutong::referral
