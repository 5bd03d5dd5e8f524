%% What the allow-list of the configuration does not allow is refused, whoever asks. The helpers are those of nodes of their own.
-module(gosocket_allow_SUITE).

-export([
    refusals_have_the_shape_of_their_call/1,
    every_way_to_write_a_rule_is_understood/1,
    callers_cannot_give_themselves_more/1,
    descriptors_of_the_vm_are_checked/1,
    a_helper_tells_its_rules/1,
    a_confined_helper_serves_every_kind_of_socket/1,
    rules_that_are_not_understood_are_einval/1
]).

-define(OURS, gosocket_test_lib:cases(?MODULE)).
-include("gosocket_test.hrl").

%% What runs in a node whose helper has these rules, and what that node printed.
-spec under(Allow :: term(), fun(() -> Result)) -> {Result, Printed :: binary()}.
under(Allow, Test) ->
    Written = unicode:characters_to_list(io_lib:format("~tw", [Allow])),
    Node = gosocket_test_node:start(gosocket_test_fresh, later, [fun erlang:spawn/1, Test], [], ["-gosocket", "allow", Written]),
    case gosocket_test_node:wait(Node) of
        {{returned, Result}, Printed} -> {Result, Printed};
        {Other, Printed} -> ct:fail({Other, Printed})
    end.

%% What comes of it under one rule after the other, in one node.
-spec under_each([{Allow :: term(), fun(() -> term())}]) -> {[term()], Printed :: binary()}.
under_each(Trials) ->
    under([], fun() ->
        ok = application:load(gosocket), % what the command line says comes with that
        [begin
             _ = application:stop(gosocket),
             ok = application:set_env(gosocket, allow, Allow),
             Test()
         end || {Allow, Test} <- Trials]
    end).

-spec refusals_have_the_shape_of_their_call(config()) -> term().
refusals_have_the_shape_of_their_call(_) ->
    There = #{family => inet, addr => loopback, port => 4711},
    {Answers, Printed} = under([{remote_ports, [80]}, {local_ports, [0]}, {domains, [inet]}, {devices, []}], fun() ->
        {ok, Datagrams} = ?S:open(inet, dgram),
        {ok, Stream} = ?S:open(inet, stream),
        [{open, ?S:open(inet6, stream)},
         {bind, ?S:bind(Datagrams, There)},
         {connect, ?S:connect(Stream, There)},
         {connect, ?S:connect(Stream, There, nowait)},
         {sendto, ?S:sendto(Datagrams, <<"abc">>, There)},
         {sendto, ?S:sendto(Datagrams, <<"abc">>, There, [], nowait)},
         {sendmsg, ?S:sendmsg(Datagrams, #{addr => There, iov => [<<"abc">>]})},
         {setopt, ?S:setopt(Datagrams, socket, bindtodevice, "lo")},
         {bind, ?S:bind(Datagrams, loopback)}]
    end),
    ?assertMatch([{open, {error, eacces}}, {bind, {error, eacces}}, {connect, {error, eacces}}, {connect, {error, eacces}},
                  {sendto, {error, {eacces, 3}}}, {sendto, {error, {eacces, 3}}}, {sendmsg, {error, eacces}},
                  {setopt, {error, eacces}}, {bind, {ok, _}}], Answers),
    [?assertMatch({Rule, {match, _}}, {Rule, re:run(Printed, ["\"rule\":\"", Rule, "\".*\"call\":\"", Call, "\".*\"wanted\":\"", Wanted])})
     || {Rule, Call, Wanted} <- [{"domains", "open", "domain 10"}, {"local_ports", "bind", "127.0.0.1:4711"},
                                 {"remote_ports", "connect", "127.0.0.1:4711"}, {"remote_ports", "sendto", "127.0.0.1:4711"},
                                 {"remote_ports", "sendmsg", "127.0.0.1:4711"}, {"devices", "setopt", "SO_BINDTODEVICE 6c6f"}]].

%% Each of these allows, or does not, one thing that works without a rule.
-spec every_way_to_write_a_rule_is_understood(config()) -> term().
every_way_to_write_a_rule_is_understood(_) ->
    Bind = fun(Domain, Addr, Port) ->
        fun() ->
            {ok, Socket} = ?S:open(Domain, dgram),
            ?S:bind(Socket, #{family => Domain, addr => Addr, port => Port})
        end
    end,
    Open = fun(Protocol) -> fun() -> ?S:open(inet, stream, Protocol) end end,
    Abstract = fun() ->
        {ok, Socket} = ?S:open(local, stream),
        ?S:bind(Socket, #{family => local, path => [0 | unique()]})
    end,
    Trials = [
        {#{local_addresses => [{127, 0, 0, 1}]}, Bind(inet, {127, 0, 0, 1}, 0), ok},
        {[{local_addresses, [{{127, 0, 0, 0}, 30}]}], Bind(inet, {127, 0, 0, 3}, 0), ok},
        {[{local_addresses, [{{127, 0, 0, 0}, 30}]}], Bind(inet, {127, 0, 0, 4}, 0), error},
        {[{local_addresses, ["127.0.0.0/30", <<"::1">>]}], Bind(inet, {127, 0, 0, 3}, 0), ok},
        {[{local_addresses, [{0, 0, 0, 0, 0, 0, 0, 1}]}], Bind(inet, {127, 0, 0, 1}, 0), error},
        {[{local_ports, [{0, 10}, 80]}], Bind(inet, {127, 0, 0, 1}, 0), ok},
        {[{local_ports, []}], Bind(inet, {127, 0, 0, 1}, 0), error},
        {[{protocols, [{raw, 6}]}], Open(tcp), ok},
        {[{protocols, [udp, 132]}], Open(default), error},
        {[{paths, ["@*"]}], Abstract, ok},
        {[{paths, [<<"/run/*">>]}], Abstract, error}],
    {Answers, Printed} = under_each([{Allow, Test} || {Allow, Test, _} <- Trials]),
    ct:log("~ts", [Printed]),
    [?assertEqual({Allow, Expected}, {Allow, element(1, Answer)}) || {{Allow, _, Expected}, Answer} <- lists:zip(Trials, Answers)].

-spec callers_cannot_give_themselves_more(config()) -> term().
callers_cannot_give_themselves_more(_) ->
    {Answers, _} = under([{domains, [inet]}], fun() ->
        [?S:open(inet6, stream, tcp, Opts) || Opts <- [#{}, #{allow => [{domains, [inet6]}]}, #{domains => [inet6]}, #{capabilities => []}]]
    end),
    ?assertEqual(lists:duplicate(4, {error, eacces}), Answers).

-spec descriptors_of_the_vm_are_checked(config()) -> term().
descriptors_of_the_vm_are_checked(_) ->
    Adopt = fun() ->
        {ok, Socket} = gen_udp:open(0, [{ip, {127, 0, 0, 1}}]),
        {ok, FD} = inet:getfd(Socket),
        ?S:open(FD, #{holder => vm})
    end,
    [begin
         {Answer, Printed} = under(Allow, Adopt),
         ?assertEqual({Allow, {error, eacces}}, {Allow, Answer}),
         ?assertMatch({Rule, {match, _}}, {Rule, re:run(Printed, ["\"rule\":\"", Rule, "\""])})
     end || {Allow, Rule} <- [{[{descriptors, []}], "descriptors"}, {[{descriptors, [received]}], "descriptors"},
                              {[{types, [stream]}], "types"}, {[{local_ports, [80]}], "local_ports"}]],
    ?assertMatch({{ok, _}, _}, under([{descriptors, [vm]}, {local_addresses, ["127.0.0.1"]}, {protocols, [udp]}], Adopt)).

-spec a_helper_tells_its_rules(config()) -> term().
a_helper_tells_its_rules(_) ->
    ?assertMatch({#{allow := [domains, paths], no_new_privs := true}, _}, under([{paths, []}, {domains, [inet]}], fun() ->
        {ok, _} = ?S:open(inet, dgram),
        maps:get(protections, ?S:info())
    end)).

%% Skipped where the kernel has not got it: the log of the helper says so.
-spec a_confined_helper_serves_every_kind_of_socket(config()) -> term().
a_confined_helper_serves_every_kind_of_socket(_) ->
    [begin
         Node = gosocket_test_node:start(gosocket_test_fresh, later, [fun erlang:spawn/1, fun confined_exchange/0], [],
                                         ["-gosocket" | Variables] ++ ["-gosocket", "allow", "[{local_ports,[0]}]"]),
         {{returned, Results}, Printed} = gosocket_test_node:wait(Node),
         skip_unless(Results =/= {error, einval}, binary_to_list(Printed)),
         ?assertEqual({[ok], Confined}, {lists:usort(element(1, Results)), element(2, Results)})
     end || {Variables, Confined} <- [{["system_call_filter", "true"], {true, false}}, {["landlock", "true"], {false, true}},
                                      {["system_call_filter", "true", "landlock", "true"], {true, true}}]].

-spec confined_exchange() -> {[ok], {boolean(), boolean()}} | {error, term()}.
confined_exchange() ->
    case ?S:open(inet, dgram) of
        {ok, _} ->
            Results = gosocket_test_fresh:exchange(),
            #{protections := #{system_call_filter := Filter, landlock := Version}} = ?S:info(),
            {Results, {Filter, Version > 0}};
        Error ->
            Error
    end.

-spec rules_that_are_not_understood_are_einval(config()) -> term().
rules_that_are_not_understood_are_einval(_) ->
    Wrong = [domains, [domains], [{domain, [inet]}], [{domains, inet}], [{domains, [inet7]}], [{domains, [inet | inet6]}],
             [{types, [-1]}], [{protocols, [{raw, tcp}]}], [{local_ports, [65536]}], [{remote_ports, [{2, 1}]}],
             [{local_addresses, [{127, 0, 0}]}], [{remote_addresses, [{{127, 0, 0, 1}, 33}]}], [{remote_addresses, ["localhost"]}],
             [{remote_addresses, ["::ffff:0:0/90"]}], [{devices, [""]}], [{devices, ["a name that is too long"]}],
             [{paths, ["relative"]}], [{paths, ["/tmp/../etc/*"]}], [{descriptors, [all]}], [{options, [1]}], [{options, [{1, -1}]}],
             [{'domains=inet', []}]],
    {Answers, _} = under_each([{Rules, fun() -> ?S:open(inet, dgram) end} || Rules <- Wrong]),
    ?assertEqual([{Rules, {error, einval}} || Rules <- Wrong], lists:zip(Wrong, Answers)).
