%% What every suite includes. Compiled with REFERENCE the suites call OTP's own `socket' of release 23, whose man page
%% this application implements: a case that passes there is right about the API.

-include_lib("stdlib/include/assert.hrl").

-ifdef(REFERENCE).
-define(S, socket).
-define(REFERENCE_RUN, true).
-else.
-define(S, gosocket).
-define(REFERENCE_RUN, false).
-endif.

-type config() :: [{atom(), term()}].

%% Longer than anything a healthy run waits for, shorter than the time trap of a case.
-define(PATIENCE, 15000).

%% The same for every suite; a suite defines OURS, its cases in which this application differs from the reference on
%% purpose, before it includes this file, and exports its cases: exported functions of arity 1 are what runs. One that
%% defines LACKING as well, as what the machine lacks for it or "", is skipped where that is not "". One that defines BESIDE,
%% as its cases that wait for long and share nothing with others, has these run at the same time, before the others. ONE_LANE are its
%% cases that by what they say need one default lane.
-ifdef(OURS).
-ifndef(LACKING).
-define(LACKING, "").
-endif.
-ifndef(BESIDE).
-define(BESIDE, []).
-endif.
-ifndef(ONE_LANE).
-define(ONE_LANE, []).
-endif.

-type socket() :: gosocket_test_lib:socket().

-import(gosocket_test_lib, [
    start/1, result/1, result/2, actor/0, run/2, cast/2, answer/1, kill/1, outcome/1, elapsed/1,
    wait_until/1, wait_until/2, await_parked/3, await_select/2, await_abort/3, no_messages/1,
    in_each_lane/1, lane/0, lane_port/0, helper_os_pid/0, signal/2, helper_alive/1,
    killed_before_delivery/2, with_lane_suspended/1, await_frame/1,
    random/1, unique/0, abstract/0, has_ipv6/0, is_short/0, slack/0, skip_unless/2
]).
-import(gosocket_test_net, [
    kinds/0, stream_kinds/0, listener/1, listener/2, pair/1, small_pair/1, accepted/2, unconnected/1,
    loopback/1, local_address/1, bound/1,
    fill/1, block/1, drain/1, drain/2, reset/1, full_listener/0, await_listening/1, close/1
]).

-export([all/0, groups/0, suite/0, init_per_suite/1, end_per_suite/1, init_per_testcase/2, nothing_is_left_behind/1]).

-spec all() -> [atom() | {group, beside}].
all() -> gosocket_test_lib:cases(?MODULE, ?BESIDE).

-spec groups() -> [{beside, [parallel], [atom()]}].
groups() -> [{beside, [parallel], ?BESIDE}].

-spec suite() -> [term()].
suite() -> [{timetrap, {seconds, 60}}].

-spec init_per_suite(config()) -> config() | {skip, string()}.
init_per_suite(Config) -> gosocket_test_lib:init_suite(?LACKING, Config).

-spec end_per_suite(config()) -> ok.
end_per_suite(_) -> ok.

-spec init_per_testcase(atom(), config()) -> config() | {skip, string()}.
init_per_testcase(Case, Config) -> gosocket_test_lib:init_case(Case, ?OURS, ?ONE_LANE, Config).

%% A case because Common Test counts no failure of end_per_suite.
-spec nothing_is_left_behind(config()) -> ok.
nothing_is_left_behind(Config) -> gosocket_test_leaks:check(proplists:get_value(snapshot, Config)).

-endif.
