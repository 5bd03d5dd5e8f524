%% @doc The socket API of OTP's kernel 7.3, served from outside the VM.
%%
%% Functions, results and messages are those of its `socket' module (man page socket(3)). What they have in
%% common, time-outs, `nowait' and its messages, errors and exceptions, is in the
%% <a href="overview-summary.html">overview</a>. The first open starts the application.
-module(gosocket).

-export([open/1, open/2, open/3, open/4,
         bind/2, bind/3,
         connect/1, connect/2, connect/3,
         listen/1, listen/2,
         accept/1, accept/2]).

-export([send/2, send/3, send/4,
         sendto/3, sendto/4, sendto/5,
         sendmsg/2, sendmsg/3, sendmsg/4]).

-export([recv/1, recv/2, recv/3, recv/4,
         recvfrom/1, recvfrom/2, recvfrom/3, recvfrom/4,
         recvmsg/1, recvmsg/2, recvmsg/3, recvmsg/5]).

-export([cancel/2,
         close/1,
         close_fd/2,
         shutdown/2]).

-export([setopt/4,
         getopt/3,
         sockname/1,
         peername/1,
         info/1]).

-export([info/0,
         number_of/0,
         which_sockets/0, which_sockets/1,
         use_registry/1,
         i/0, i/1,
         debug/1,
         socket_debug/1]).

-export([supports/0, supports/1, supports/2,
         is_supported/1, is_supported/2, is_supported/3]).

-include("gosocket.hrl").
-include("gosocket_types.hrl").

-define(IS_INT32(I), (is_integer(I) andalso I >= -16#80000000 andalso I =< 16#7fffffff)).
-define(IS_BUFFER_SIZE(N), (is_integer(N) andalso N >= 0 andalso N < 1 bsl 32)).

-define(DEFAULT_BACKLOG, 5).

%% ---- Open, bind, connect, listen, accept

%% @equiv open(FD, #{})
-spec open(FD :: integer()) -> opened(reason()).
open(FD) when is_integer(FD) -> open(FD, #{});
open(FD) -> erlang:error(badarg, [FD]).

%% @doc A socket from a descriptor, or with the default protocol. The descriptor is one of the helper's, as
%% `getopt(Socket, otp, fd)' gives it or a control message brings it, and is duplicated unless `dup' is
%% `false': then it is shared, or taken from the socket that it came through. With `holder => vm' it is one of
%% the VM's, of which the helper gets a duplicate. Fails with `enotsup' when neither the system nor this OTP
%% has a way for that, and with `timeout' when it was sent but did not arrive. A number means something to one helper only: `lane'
%% says whose it is, by a lane's name or a socket of it. With several default lanes that has to be said, it is `einval' otherwise.
-spec open(FD :: integer(), openfd_opts()) -> opened(timed_reason() | {no_lane, gosocket_lanes:name()});
          (domain(), type()) -> opened(reason()).
open(FD, Opts) when is_integer(FD), is_map(Opts) ->
    case gosocket_arg:options(Opts, [domain, type, protocol, dup, holder, lane, debug, use_registry]) of
        {ok, Ours} when ?IS_INT32(FD) -> gosocket_fd:open(FD, Ours);
        _ -> erlang:error(badarg, [FD, Opts])
    end;
open(Domain, Type) ->
    open(Domain, Type, default, #{}).

%% @equiv open(Domain, Type, Protocol, #{})
-spec open(domain(), type(), default | protocol()) -> opened(reason()).
open(Domain, Type, Protocol) ->
    open(Domain, Type, Protocol, #{}).

%% @doc Fails with `closed' when the application cannot be started, for example because the node stops,
%% and with a POSIX code when the helper cannot: `enotsup' off Linux. `netns' opens the socket in another network namespace, by
%% its path or its name in `/var/run/netns': `enoent' when it is not there, `einval' when it is none,
%% `eperm' when the helper may not (CAP_SYS_ADMIN).
%% `lane' opens it in the lane with that name ({@link gosocket_lanes}), or in that of another socket; `{no_lane, Name}' when there is none.
%% Other keys are ignored, as OTP does, but one that differs from those above by no more than a letter, the case, underscores or its type is
%% `badarg': `lanes' for `lane' would give a socket with less around it than was asked for. Other values raise `{invalid, {Key, Value}}'.
-spec open(domain(), type(), default | protocol(), open_opts()) -> opened(reason() | {no_lane, gosocket_lanes:name()}).
open(Domain, Type, Protocol, Opts) when is_map(Opts) ->
    case gosocket_arg:options(Opts, [netns, lane, debug, use_registry]) of
        {ok, Ours} -> gosocket_registry:open({open, self(), Domain, Type, Protocol}, Ours);
        misspelt -> erlang:error(badarg, [Domain, Type, Protocol, Opts])
    end;
open(Domain, Type, Protocol, Opts) ->
    erlang:error(badarg, [Domain, Type, Protocol, Opts]).

%% @doc Gives a socket its address; `{ok, Port}' has the port, chosen by the kernel for port 0, or 0 where
%% addresses have none. `any', `loopback' and `broadcast' stand for addresses with port 0. Fails with
%% `eaddrinuse', `eaddrnotavail', `eacces' (ports below 1024), or `einval' when it has one or that is none.
-spec bind(socket(), sockaddr() | any | broadcast | loopback) ->
          {ok, port_number()} | {error, inet:posix() | closed}.
bind({'$socket', S}, Addr)
  when is_reference(S), is_map(Addr) orelse Addr =:= any orelse Addr =:= broadcast orelse Addr =:= loopback ->
    gosocket_wait:call(plain, [], {bind, S, Addr});
bind(Socket, Addr) ->
    erlang:error(badarg, [Socket, Addr]).

%% @doc Adds addresses to a socket that can have several, or removes them.
-spec bind(socket(), [sockaddr()], add | remove) -> ok | {error, inet:posix() | closed}.
bind({'$socket', S}, Addrs, Action)
  when is_reference(S), is_list(Addrs), Action =:= add orelse Action =:= remove ->
    gosocket_wait:call(plain, [], {bind, S, Addrs, Action});
bind(Socket, Addrs, Action) ->
    erlang:error(badarg, [Socket, Addrs, Action]).

%% @doc Finishes a connect that was answered with a select; `einval' when there is none.
-spec connect(socket()) -> ok | {error, reason()}.
connect({'$socket', S}) when is_reference(S) ->
    gosocket_wait:call(connect, [], {connect, S, self()});
connect(Socket) ->
    erlang:error(badarg, [Socket]).

%% @equiv connect(Socket, SockAddr, infinity)
-spec connect(socket(), sockaddr()) -> ok | {error, reason()}.
connect(Socket, SockAddr) ->
    connect(Socket, SockAddr, infinity).

%% @doc After the select message of a `nowait' connect, connect/1 or the same call again tells how it went.
%% Fails with `econnrefused', `ehostunreach', `etimedout' and others, with `eisconn' when it is connected,
%% and with `ealready' while another connect is under way. A time-out leaves the kernel trying.
-spec connect(socket(), sockaddr(), timeout()) -> ok | {error, timed_reason()};
             (socket(), sockaddr(), nowait) -> ok | select() | {error, reason()}.
connect({'$socket', S}, SockAddr, Timeout) when is_reference(S), ?IS_TIMEOUT(Timeout) ->
    Ref = gosocket_arg:select_ref(Timeout),
    gosocket_wait:call(connect, Ref, {connect, S, self(), SockAddr, Timeout, Ref});
connect(Socket, SockAddr, Timeout) ->
    erlang:error(badarg, [Socket, SockAddr, Timeout]).

%% @equiv listen(Socket, 5)
-spec listen(socket()) -> ok | {error, inet:posix() | closed}.
listen(Socket) ->
    listen(Socket, ?DEFAULT_BACKLOG).

%% @doc Accepts connections from now on, of which the backlog may wait; again to change that.
-spec listen(socket(), Backlog :: integer()) -> ok | {error, inet:posix() | closed}.
listen({'$socket', S}, Backlog) when is_reference(S), ?IS_INT32(Backlog) ->
    gosocket_wait:call(plain, [], {listen, S, Backlog});
listen(Socket, Backlog) ->
    erlang:error(badarg, [Socket, Backlog]).

%% @equiv accept(LSocket, infinity)
-spec accept(LSocket :: socket()) -> opened(reason()).
accept(LSocket) ->
    accept(LSocket, infinity).

%% @doc The next connection, as a socket of this process with the listener's settings of level `otp' (not
%% `meta'). Fails with `einval' on a socket that does not listen.
-spec accept(LSocket :: socket(), timeout()) -> opened(timed_reason());
            (LSocket :: socket(), nowait) -> opened(reason()) | select().
accept({'$socket', S}, Timeout) when is_reference(S), ?IS_TIMEOUT(Timeout) ->
    Ref = gosocket_arg:select_ref(Timeout),
    gosocket_wait:call(accept, Ref, {accept, S, self(), Timeout, Ref});
accept(LSocket, Timeout) ->
    erlang:error(badarg, [LSocket, Timeout]).

%% ---- Send

%% @equiv send(Socket, Data, [], infinity)
-spec send(socket(), iodata()) -> sent(reason()).
send(Socket, Data) ->
    send(Socket, Data, [], infinity).

%% @doc With flags, or with a time-out.
-spec send(socket(), iodata(), send_flags()) -> sent(reason());
          (socket(), iodata(), timeout()) -> sent(timed_reason());
          (socket(), iodata(), nowait) -> sent(reason()) | sent_part() | select().
send(Socket, Data, Flags) when is_list(Flags) -> send(Socket, Data, Flags, infinity);
send(Socket, Data, Timeout) -> send(Socket, Data, [], Timeout).

%% @doc Sends all of the data on a connected socket, on a stream as there is room for it. A `nowait' send
%% that could send only a part says what is left: send that after the select message.
-spec send(socket(), iodata(), send_flags(), timeout()) -> sent(timed_reason());
          (socket(), iodata(), send_flags(), nowait) -> sent(reason()) | sent_part() | select().
send(Socket, Data, [], infinity) ->
    case gosocket_near:find(Socket) of
        none -> gosocket_arg:send(Socket, Data, [], infinity);
        Near -> gosocket_wait:send(Near, iolist_to_binary(Data))
    end;
send(Socket, Data, Flags, Timeout) ->
    gosocket_arg:send(Socket, Data, Flags, Timeout).

%% @equiv sendto(Socket, Data, Dest, [], infinity)
-spec sendto(socket(), iodata(), Dest :: sockaddr()) -> sent(reason()).
sendto(Socket, Data, Dest) ->
    sendto(Socket, Data, Dest, [], infinity).

%% @doc With flags, or with a time-out.
-spec sendto(socket(), iodata(), Dest :: sockaddr(), send_flags()) -> sent(reason());
            (socket(), iodata(), Dest :: sockaddr(), timeout()) -> sent(timed_reason());
            (socket(), iodata(), Dest :: sockaddr(), nowait) -> sent(reason()) | sent_part() | select().
sendto(Socket, Data, Dest, Flags) when is_list(Flags) -> sendto(Socket, Data, Dest, Flags, infinity);
sendto(Socket, Data, Dest, Timeout) -> sendto(Socket, Data, Dest, [], Timeout).

%% @doc Sends one message to an address. Connected streams ignore it or fail with `eisconn'.
-spec sendto(socket(), iodata(), Dest :: sockaddr(), send_flags(), timeout()) -> sent(timed_reason());
            (socket(), iodata(), Dest :: sockaddr(), send_flags(), nowait) ->
          sent(reason()) | sent_part() | select().
sendto({'$socket', S}, Data, Dest, Flags, Timeout)
  when is_reference(S), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    Payload = iolist_to_binary(Data),
    Ref = gosocket_arg:select_ref(Timeout),
    gosocket_wait:send(Ref, {sendto, S, self(), Dest, Flags, Timeout, Ref, byte_size(Payload)},
                       Payload, undefined);
sendto(Socket, Data, Dest, Flags, Timeout) ->
    erlang:error(badarg, [Socket, Data, Dest, Flags, Timeout]).

%% @equiv sendmsg(Socket, MsgHdr, [], infinity)
-spec sendmsg(socket(), msghdr()) -> msg_sent(reason()).
sendmsg(Socket, MsgHdr) ->
    sendmsg(Socket, MsgHdr, [], infinity).

%% @doc With flags, or with a time-out.
-spec sendmsg(socket(), msghdr(), send_flags()) -> msg_sent(reason());
             (socket(), msghdr(), timeout()) -> msg_sent(timed_reason());
             (socket(), msghdr(), nowait) -> msg_sent(reason()) | select().
sendmsg(Socket, MsgHdr, Flags) when is_list(Flags) -> sendmsg(Socket, MsgHdr, Flags, infinity);
sendmsg(Socket, MsgHdr, Timeout) -> sendmsg(Socket, MsgHdr, [], Timeout).

%% @doc Sends one message with its control messages, or as much of it as a stream takes at once:
%% `{ok, Remaining}' has the rest. `addr' is for sockets that are not connected; `undefined' stands for none, so
%% that a message may be sent back as `recvmsg' gave it. More than 1024 parts of the iov are `emsgsize' (parts
%% of up to 255 bytes in a row count as one), control messages that cannot be encoded `einval'. So are those of type `rights' that by
%% `lane', a name or a socket, are of another helper than the socket, with several default lanes say nothing, or have other keys.
-spec sendmsg(socket(), msghdr(), send_flags(), timeout()) -> msg_sent(timed_reason());
             (socket(), msghdr(), send_flags(), nowait) -> msg_sent(reason()) | select().
sendmsg({'$socket', S}, #{iov := [_ | _] = Iov} = MsgHdr, Flags, Timeout)
  when is_reference(S), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    gosocket_arg:sendmsg(S, MsgHdr, gosocket_iovec:parts(Iov), Flags, Timeout);
sendmsg({'$socket', S}, MsgHdr, Flags, Timeout)
  when is_reference(S), is_map(MsgHdr), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    erlang:error({invalid, {not_supported, MsgHdr}}, [{'$socket', S}, MsgHdr, Flags, Timeout]);
sendmsg(Socket, MsgHdr, Flags, Timeout) ->
    erlang:error(badarg, [Socket, MsgHdr, Flags, Timeout]).

%% ---- Receive

%% @equiv recv(Socket, 0, [], infinity)
-spec recv(socket()) -> received(reason()).
recv(Socket) ->
    recv(Socket, 0, [], infinity).

%% @equiv recv(Socket, Length, [], infinity)
-spec recv(socket(), Length :: non_neg_integer()) -> received(reason()).
recv(Socket, Length) ->
    recv(Socket, Length, [], infinity).

%% @doc With flags, or with a time-out.
-spec recv(socket(), Length :: non_neg_integer(), recv_flags()) -> received(reason());
          (socket(), Length :: non_neg_integer(), timeout()) -> received(timed_reason());
          (socket(), Length :: non_neg_integer(), nowait) -> received(reason()) | received_part() | select().
recv(Socket, Length, Flags) when is_list(Flags) -> recv(Socket, Length, Flags, infinity);
recv(Socket, Length, Timeout) -> recv(Socket, Length, [], Timeout).

%% @doc Length 0 means what is there now, at most the buffer size (level `otp', option `rcvbuf': `Size', or
%% `{N, Size}' for up to N reads). Any other is waited for on a stream, and cuts a message. The end of a
%% stream is `{error, closed}'.
-spec recv(socket(), Length :: non_neg_integer(), recv_flags(), timeout()) -> received(timed_reason());
          (socket(), Length :: non_neg_integer(), recv_flags(), nowait) ->
          received(reason()) | received_part() | select().
recv(Socket, Length, [], infinity) when ?IS_LENGTH(Length) ->
    case gosocket_near:find(Socket) of
        none -> gosocket_arg:recv(Socket, Length, [], infinity);
        Near -> gosocket_wait:recv(Near, Length)
    end;
recv(Socket, Length, Flags, Timeout) ->
    gosocket_arg:recv(Socket, Length, Flags, Timeout).

%% @equiv recvfrom(Socket, 0, [], infinity)
-spec recvfrom(socket()) -> received_from(reason()).
recvfrom(Socket) ->
    recvfrom(Socket, 0, [], infinity).

%% @equiv recvfrom(Socket, BufSz, [], infinity)
-spec recvfrom(socket(), BufSz :: non_neg_integer()) -> received_from(reason()).
recvfrom(Socket, BufSz) ->
    recvfrom(Socket, BufSz, [], infinity).

%% @doc With flags and a time-out, with a buffer size and flags, or with a buffer size and a time-out.
-spec recvfrom(socket(), recv_flags(), timeout()) -> received_from(timed_reason());
              (socket(), recv_flags(), nowait) -> received_from(reason()) | select();
              (socket(), BufSz :: non_neg_integer(), recv_flags()) -> received_from(reason());
              (socket(), BufSz :: non_neg_integer(), timeout()) -> received_from(timed_reason());
              (socket(), BufSz :: non_neg_integer(), nowait) -> received_from(reason()) | select().
recvfrom(Socket, Flags, Timeout) when is_list(Flags) -> recvfrom(Socket, 0, Flags, Timeout);
recvfrom(Socket, BufSz, Flags) when is_list(Flags) -> recvfrom(Socket, BufSz, Flags, infinity);
recvfrom(Socket, BufSz, Timeout) -> recvfrom(Socket, BufSz, [], Timeout).

%% @doc One message and its source, which is `undefined' on streams and for unnamed peers. Buffer size 0
%% means the configured one (level `otp', option `rcvbuf'); a longer message is cut.
-spec recvfrom(socket(), BufSz :: non_neg_integer(), recv_flags(), timeout()) -> received_from(timed_reason());
              (socket(), BufSz :: non_neg_integer(), recv_flags(), nowait) -> received_from(reason()) | select().
recvfrom({'$socket', S}, BufSz, Flags, Timeout)
  when is_reference(S), ?IS_BUFFER_SIZE(BufSz), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    Ref = gosocket_arg:select_ref(Timeout),
    gosocket_wait:call(gosocket_arg:read_class(Flags), Ref,
                       {recvfrom, S, self(), BufSz, Flags, Timeout, Ref});
recvfrom(Socket, BufSz, Flags, Timeout) ->
    erlang:error(badarg, [Socket, BufSz, Flags, Timeout]).

%% @equiv recvmsg(Socket, 0, 0, [], infinity)
-spec recvmsg(socket()) -> msg_received(reason()).
recvmsg(Socket) ->
    recvmsg(Socket, 0, 0, [], infinity).

%% @doc With flags, or with a time-out.
-spec recvmsg(socket(), recv_flags()) -> msg_received(reason());
             (socket(), timeout()) -> msg_received(timed_reason());
             (socket(), nowait) -> msg_received(reason()) | select().
recvmsg(Socket, Flags) when is_list(Flags) -> recvmsg(Socket, 0, 0, Flags, infinity);
recvmsg(Socket, Timeout) -> recvmsg(Socket, 0, 0, [], Timeout).

%% @doc With flags and a time-out, or with both sizes.
-spec recvmsg(socket(), recv_flags(), timeout()) -> msg_received(timed_reason());
             (socket(), recv_flags(), nowait) -> msg_received(reason()) | select();
             (socket(), BufSz :: non_neg_integer(), CtrlSz :: non_neg_integer()) -> msg_received(reason()).
recvmsg(Socket, Flags, Timeout) when is_list(Flags) -> recvmsg(Socket, 0, 0, Flags, Timeout);
recvmsg(Socket, BufSz, CtrlSz) when is_integer(BufSz), is_integer(CtrlSz) ->
    recvmsg(Socket, BufSz, CtrlSz, [], infinity).

%% @doc One message with source, control messages and flags, which say whether it was cut (`trunc') or its
%% control messages were (`ctrunc'); `iov' has one binary. Sizes of 0 mean the configured ones (level
%% `otp', options `rcvbuf' and `rcvctrlbuf').
-spec recvmsg(socket(), BufSz, CtrlSz, recv_flags(), timeout()) -> msg_received(timed_reason()) when
      BufSz :: non_neg_integer(), CtrlSz :: non_neg_integer();
             (socket(), BufSz, CtrlSz, recv_flags(), nowait) -> msg_received(reason()) | select() when
      BufSz :: non_neg_integer(), CtrlSz :: non_neg_integer().
recvmsg({'$socket', S}, BufSz, CtrlSz, Flags, Timeout)
  when is_reference(S), ?IS_BUFFER_SIZE(BufSz), ?IS_BUFFER_SIZE(CtrlSz), is_list(Flags),
       ?IS_TIMEOUT(Timeout) ->
    Ref = gosocket_arg:select_ref(Timeout),
    gosocket_wait:call(gosocket_arg:read_class(Flags), Ref,
                       {recvmsg, S, self(), BufSz, CtrlSz, Flags, Timeout, Ref});
recvmsg(Socket, BufSz, CtrlSz, Flags, Timeout) ->
    erlang:error(badarg, [Socket, BufSz, CtrlSz, Flags, Timeout]).

%% ---- Cancel, close, shutdown

%% @doc Ends a call that was answered with a select; no message of it is or comes in the mailbox. Fails with
%% `einval' when there is no such select (any more).
-spec cancel(socket(), select_info()) -> ok | {error, einval | closed | exself}.
cancel({'$socket', S}, {select_info, _Tag, Ref} = SelectInfo) when is_reference(S) ->
    gosocket_wait:call(cancel, gosocket_arg:reference(Ref), {cancel, S, self(), SelectInfo});
cancel(Socket, SelectInfo) ->
    erlang:error(badarg, [Socket, SelectInfo]).

%% @doc Closes the socket for everybody: calls that wait are answered with `closed', selects are aborted.
%% Waits for the data to go out, or for the time to be up, when `linger' is set. Any process may close.
-spec close(socket()) -> ok | {error, errcode() | closed | timeout}.
close({'$socket', S}) when is_reference(S) -> gosocket_wait:call(wait, [], {close, S, self()});
close(Socket) -> erlang:error(badarg, [Socket]).

%% @doc Closes a descriptor that came through the socket and that nobody has opened; `ebadf' when it is none.
-spec close_fd(socket(), FD :: integer()) -> ok | {error, ebadf | closed}.
close_fd({'$socket', S}, FD) when is_reference(S), ?IS_INT32(FD) -> gosocket_wait:call(plain, [], {closefd, S, FD});
close_fd(Socket, FD) -> erlang:error(badarg, [Socket, FD]).

%% @doc Ends one direction of a connection, or both; `enotconn' when there is none.
-spec shutdown(socket(), shutdown_how()) -> ok | {error, inet:posix() | closed}.
shutdown({'$socket', S}, How) when is_reference(S) -> gosocket_wait:call(plain, [], {shutdown, S, How});
shutdown(Socket, How) -> erlang:error(badarg, [Socket, How]).

%% ---- Options, names, information

%% @doc A native option has an integer as its key, or a level and a key that are integers, and a binary
%% as its value.
-spec setopt(socket(), sockopt_level(), Key :: atom() | integer(), Value :: term()) ->
          ok | {error, inet:posix() | closed | not_owner}.
setopt({'$socket', S} = Socket, otp, controlling_process, Pid) when is_reference(S), is_pid(Pid) ->
    case node(Pid) =/= node() orelse is_process_alive(Pid) of
        true -> gosocket_setting:set({setopt, S, self(), otp, controlling_process, Pid});
        false -> gosocket_arg:give_to_dead(getopt(Socket, otp, controlling_process))
    end;
setopt({'$socket', S}, otp, Key, Value) when is_reference(S) ->
    gosocket_setting:set({setopt, S, self(), otp, Key, Value});
setopt({'$socket', S}, Level, Key, Value) when is_reference(S) ->
    gosocket_wait:call(plain, [], {setopt, S, self(), Level, Key, Value});
setopt(Socket, Level, Key, Value) ->
    erlang:error(badarg, [Socket, Level, Key, Value]).

%% @doc A native option has the key `{Number, Size}': `int' and `bool' give an integer and a boolean, a
%% number of bytes gives a binary, 0 bytes give `ok'. An option that is one of several of its name has the key
%% `{Name, Query}', whose map says which: the keys of its value that are known.
-spec getopt(socket(), sockopt_level(), Key) -> ok | {ok, term()} | {error, inet:posix() | closed} when
      Key :: atom()
           | {Name :: atom(), Query :: map()}
           | {NativeOpt :: integer(), ValueSize :: int | bool | non_neg_integer()}.
getopt({'$socket', S}, otp, Key) when is_reference(S) ->
    gosocket_setting:get({getopt, S, otp, Key});
getopt({'$socket', S}, Level, Key) when is_reference(S) ->
    gosocket_wait:call(plain, [], {getopt, S, Level, Key});
getopt(Socket, Level, Key) ->
    erlang:error(badarg, [Socket, Level, Key]).

%% @doc The address of the socket: numbers and, for domain local, a list of bytes.
-spec sockname(socket()) -> {ok, sockaddr()} | {error, inet:posix() | closed}.
sockname({'$socket', S}) when is_reference(S) -> gosocket_wait:call(plain, [], {sockname, S});
sockname(Socket) -> erlang:error(badarg, [Socket]).

%% @doc The address of its peer; `enotconn' when it is not connected.
-spec peername(socket()) -> {ok, sockaddr()} | {error, inet:posix() | closed}.
peername({'$socket', S}) when is_reference(S) -> gosocket_wait:call(plain, [], {peername, S});
peername(Socket) -> erlang:error(badarg, [Socket]).

%% @doc Works on closed sockets, too: what was last known of them.
-spec info(socket()) -> socket_info().
info({'$socket', S}) when is_reference(S) -> gosocket_wait:call(plain, [], {info, S});
info(Socket) -> erlang:error(badarg, [Socket]).

%% ---- All sockets

%% @doc Settings, and how many sockets there are, of each type, domain and protocol: `#{debug, socket_debug,
%% use_registry, iow, counters := #{num_cnt_bits, num_sockets, num_tstreams, num_dinet, num_ptcp, ...},
%% protections}'. What of docs/security.md is active in the helper stands in `protections', which is empty while none runs.
-spec info() -> map().
info() -> gosocket_registry:info().

%% @doc The number of sockets in the registry.
-spec number_of() -> non_neg_integer().
number_of() -> length(gosocket_registry:sockets()).

%% @doc The sockets in the registry, newest first.
-spec which_sockets() -> [socket()].
which_sockets() -> gosocket_registry:sockets().

%% @doc Those of a domain, type or protocol, of a controlling process, or by their info. Any other term is a `function_clause', as with OTP.
-spec which_sockets(Filter) -> [socket()] when
      Filter :: inet | inet6 | stream | dgram | seqpacket | sctp | tcp | udp | pid()
              | fun((socket_info()) -> boolean()).
which_sockets(Filter) -> gosocket_registry:sockets(Filter).

%% @doc Whether sockets opened from now on go into the registry, unless their open says otherwise.
-spec use_registry(boolean()) -> ok.
use_registry(Use) when is_boolean(Use) -> gosocket_registry:use(Use).

%% @doc Prints a table of the sockets in the registry, the oldest first, as `inet:i/0' does: the lane where there are
%% sockets of several, descriptor in the helper, domain, type, protocol, bytes received and sent, owner, both addresses, and the state, which
%% is IDLE, BOUND, CONNECTED, LISTENING, ACCEPTING (listening, and processes wait in accept) or CLOSED. Several lanes follow.
-spec i() -> ok.
i() -> gosocket_table:print().

%% @doc Only these columns, in this order; or only the sockets that `which_sockets/1' gives for a filter; or the lanes that run, with some of
%% what {@link gosocket_metrics:statistics/0} tells. Any other term is a `function_clause', as with OTP.
-spec i(Fields | Filter) -> ok when
      Fields :: [table_field()],
      Filter :: inet | inet6 | stream | dgram | seqpacket | sctp | tcp | udp | pid() | fun((socket_info()) -> boolean()) | lanes.
i(FieldsOrFilter) -> gosocket_table:print(FieldsOrFilter).

%% @doc Whether calls are logged from now on, those of this process at once: the helper writes a line of
%% JSON to standard error when it answers a call, whatever the log level. Its keys are `call', `args',
%% `result' (long terms are shortened), `process', `socket', `fd' (as `getopt(Socket, otp, fd)' has it) and
%% `us', microseconds in the helper, waiting included. The option `debug' of level `otp' does that for
%% the calls of one socket, `#{debug => true}' for an open.
-spec debug(boolean()) -> ok.
debug(Debug) when is_boolean(Debug) -> gosocket_registry:debug(debug, Debug).

%% @doc Whether the sockets that are opened from now on have the option `debug'. See {@link debug/1}.
-spec socket_debug(boolean()) -> ok.
socket_debug(Debug) when is_boolean(Debug) -> gosocket_registry:debug(socket_debug, Debug).

%% ---- What the kernel has

%% @doc What the running kernel supports: not what was there at compile time, and only what works for
%% the helper now. `[{options, [{socket, [{Option, boolean()}]}, {ip, ...}, ...]}, {send_flags, ...},
%% {recv_flags, ...}, {sctp, boolean()}, {ipv6, ...}, {local, ...}, {netns, ...}]', options in the order of
%% the man page, then those that it does not have. What cannot be tried for want of a capability is
%% `false'. The list is empty when the helper does not start; the first call starts it.
-spec supports() -> supports().
supports() -> gosocket_support:list([]).

%% @doc The part of {@link supports/0} that has this key, if that is a list; else `[]'.
-spec supports(Key1 :: options | send_flags | recv_flags | term()) ->
          supports_options() | [{send_flag() | recv_flag(), boolean()}].
supports(Key1) -> gosocket_support:list([Key1]).

%% @doc The options of a level, with `options' as the first key; else `[]'. The level `packet', which
%% the man page does not have, is known as well.
-spec supports(Key1 :: options | term(), Level :: atom() | term()) -> [{Option :: atom(), boolean()}].
supports(Key1, Key2) -> gosocket_support:list([Key1, Key2]).

%% @doc Whether sockets of a kind can be opened, or, for `netns', in other network namespaces. `false'
%% for any other key.
-spec is_supported(Key1 :: sctp | ipv6 | local | netns | term()) -> boolean().
is_supported(Key1) -> gosocket_support:is([Key1]).

%% @doc Whether a flag is taken; `false' for any other keys.
-spec is_supported(Key1 :: send_flags | recv_flags | term(), Flag :: send_flag() | recv_flag() | term()) -> boolean().
is_supported(Key1, Key2) -> gosocket_support:is([Key1, Key2]).

%% @doc Whether an option of a level works; `false' for any other keys.
-spec is_supported(Key1 :: options | term(), Level :: atom() | term(), Option :: atom() | term()) -> boolean().
is_supported(Key1, Key2, Key3) -> gosocket_support:is([Key1, Key2, Key3]).
